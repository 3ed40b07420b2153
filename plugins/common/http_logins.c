/*
 * http_logins.c - what goes out to log in: with each request, and to the proxies that the
 * environment names. A server may send it back, so it is masked there. Over http:// it goes to
 * this machine only, unless the config says that others may read it on the way.
 */
#include "plugins/common/http_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A password, and its user and it as they go over the wire. */
static int hide_login(struct mask *mask, const char *user, const char *password)
{
    int r = mask_add(mask, password, strlen(password));

    return r < 0 ? r : mask_add_login(mask, user, password);
}

static int hide_login_of(struct mask *mask, const char *url)
{
    CURLU *parsed = curl_url();
    char *user = NULL, *password = NULL;
    int r = parsed == NULL ? -ENOMEM : 0;

    if (r == 0 && curl_url_set(parsed, CURLUPART_URL, url, CURLU_GUESS_SCHEME) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_USER, &user, CURLU_URLDECODE) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_PASSWORD, &password, CURLU_URLDECODE) == CURLUE_OK) {
        r = hide_login(mask, user, password);
    }
    curl_free(user);
    if (password != NULL) {
        explicit_bzero(password, strlen(password));
    }
    curl_free(password);
    curl_url_cleanup(parsed);
    return r;
}

int http_hide_logins(struct http_client *client)
{
    static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY"};
    const struct http_settings *s = &client->settings;
    int r = 0;

    if (s->user != NULL && s->password != NULL) {
        r = hide_login(&client->mask, s->user, s->password);
    }
    for (size_t i = 0; r == 0 && i < sizeof variables / sizeof variables[0]; i++) {
        const char *url = getenv(variables[i]);
        if (url != NULL && url[0] != '\0') {
            r = hide_login_of(&client->mask, url);
        }
    }
    return r;
}

int http_check_login(const struct http_client *client, struct memferry_reason *why)
{
    const struct http_settings *s = &client->settings;
    bool logs_in = s->logs_in || s->user != NULL;

    if (!logs_in || s->plain_http || client->direct ||
        strncmp(client->target, "http://", strlen("http://")) != 0) {
        return 0;
    }
    snprintf(why->text, sizeof why->text,
             "url: the login would go to %.200s unencrypted; use https://, or set plain_http = yes "
             "if nobody else can listen on the way",
             client->target);
    return -EINVAL;
}
