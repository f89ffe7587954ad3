// Shows the OpenAPI document in Swagger UI, and gives it the token of whoever logs in.
//
// The token is kept in Swagger UI's memory alone. In localStorage it would stay on the machine when the browser
// is closed, for whoever sits there next, and for any script that ever runs on a page of this host.
"use strict";

const element = (id) => document.getElementById(id);
const form = element("login");
const session = element("session");
const message = element("message");
const viewer = element("viewer");

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followColors = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followColors);
followColors();

const ui = SwaggerUIBundle({
  url: viewer.dataset.document,
  domNode: viewer,
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  // Nothing is sent to the validator on another host.
  validatorUrl: "none",
  // There is one server, the one that this page comes from.
  plugins: [() => ({ components: { ServersContainer: () => null } })],
  // The one whose colours can be told from their ground.
  syntaxHighlight: { theme: "obsidian" },
  onComplete: () => { element("account").hidden = false; },
});

// The name that the document has for bearer tokens.
function bearerScheme() {
  const schemes = ui.specSelectors.specJson().getIn(["components", "securitySchemes"]);
  return schemes.findKey((scheme) => scheme.get("type") === "http" && scheme.get("scheme") === "bearer");
}

function showSession(name) {
  element("who").textContent = name;
  form.hidden = Boolean(name);
  session.hidden = !name;
  message.textContent = "";
}

// What is no JSON comes from a proxy: a page that says that the server is away, perhaps.
async function read(answer) {
  try {
    return await answer.json();
  } catch {
    throw new Error(`The server cannot be reached: the answer was ${answer.status} and no JSON.`);
  }
}

async function logIn() {
  const { email, password } = form.elements;
  const answer = await fetch(form.action, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ email: email.value, password: password.value }),
  });
  const body = await read(answer);
  if (!answer.ok) {
    throw new Error(body.error);
  }
  ui.preauthorizeApiKey(bearerScheme(), body.token);
  form.reset();
  showSession(body.user.name);
  element("logout").focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  message.textContent = "";
  logIn().catch((error) => { message.textContent = error.message; });
});

element("logout").addEventListener("click", () => {
  ui.authActions.logout([bearerScheme()]);
  showSession("");
  form.elements.email.focus();
});
