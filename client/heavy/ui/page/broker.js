// broker.js - calls of the broker, by way of the server this page came from.

export async function call(method, params = {}) {
  let response;
  try {
    response = await fetch(`/call/${method}`, {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(params)});
  } catch {
    throw new Error("memferry ui has ended. Start it again, and open the link it prints.");
  }
  if (response.headers.get("Content-Type") !== "application/json") {
    throw new Error((await response.text()).trim());
  }
  const told = await response.json();
  if (!response.ok) {
    const error = new Error(told.message || "The broker did not say why.");
    error.code = told.code;
    throw error;
  }
  return told;
}

// What went wrong stands above the page until the next call goes well.
export function trouble(error) {
  document.getElementById("trouble").textContent = error ? error.message : "";
}
