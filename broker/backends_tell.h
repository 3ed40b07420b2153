/* backends_tell.h - hears what lanes tell, for backends.c. */
#ifndef MEMFERRY_BACKENDS_TELL_H
#define MEMFERRY_BACKENDS_TELL_H

#include "broker/backends.h"

/* Fills what lanes are given to tell by. Before the first is started. */
void backends_listen(struct backends *backends);

#endif
