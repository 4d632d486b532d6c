/** The pages of the first set-up: plain HTML, no script, styles from a file of their own (a strict CSP allows them). */
export const stylesheet = `:root { color-scheme: light dark; --line: #c9ced6; --back: #f4f5f7; --card: #fff; --text: #1b1f24;
  --soft: #59636e; --strong: #0b62c4; --on-strong: #fff; --bad: #b3261e; --bad-back: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --back: #0f1318; --card: #181d23; --text: #e6e9ed;
  --soft: #9aa4af; --strong: #4c9bf5; --on-strong: #08121e; --bad: #ffb4ab; --bad-back: #3a1714; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--back);
  color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 26rem; padding: 2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; }
h1 { margin: 0 0 .25rem; font-size: 1.4rem; }
p { margin: 0 0 1rem; color: var(--soft); }
label { display: block; margin-top: 1rem; font-weight: 600; }
input { width: 100%; margin-top: .25rem; padding: .6rem .7rem; font: inherit; color: inherit; background: var(--back);
  border: 1px solid var(--line); border-radius: 8px; }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid var(--strong); outline-offset: 2px; }
input[aria-invalid] { border-color: var(--bad); }
.hint { display: block; margin-top: .25rem; font-size: .875rem; font-weight: 400; color: var(--soft); }
.error { display: block; margin-top: .25rem; font-size: .9rem; color: var(--bad); }
.alert { margin: 1rem 0 0; padding: .6rem .8rem; color: var(--bad); background: var(--bad-back); border-radius: 8px; }
button { width: 100%; margin-top: 1.5rem; padding: .7rem; font: inherit; font-weight: 600; color: var(--on-strong);
  background: var(--strong); border: 0; border-radius: 8px; cursor: pointer; }
a { color: var(--strong); }
code { font-size: .9em; }
`;

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (letter) => entities[letter] ?? letter);

const document = (title: string, content: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Busbar</title>
<link rel="stylesheet" href="/setup/style.css">
</head>
<body>
<main>
${content}
</main>
</body>
</html>
`;

export interface SetupForm {
  readonly token: string;
  readonly name: string;
  /** By field; "" is what belongs to none. */
  readonly errors: Readonly<Record<string, readonly string[]>>;
}

/** Never shows a password again, not even the one just typed. */
export function setupPage({ token, name, errors }: SetupForm): string {
  const field = (id: string, label: string, attributes: string, hint = ""): string => {
    const faults = errors[id] ?? [];
    const described = [
      ...(hint === "" ? [] : [`${id}-hint`]),
      ...(faults.length === 0 ? [] : [`${id}-error`]),
    ];
    const aria = `${faults.length === 0 ? "" : ' aria-invalid="true"'}${described.length === 0 ? "" : ` aria-describedby="${described.join(" ")}"`}`;
    return `<label for="${id}">${label}</label>
<input id="${id}" name="${id}" required ${attributes}${aria}>
${hint === "" ? "" : `<span class="hint" id="${id}-hint">${hint}</span>`}
${faults.length === 0 ? "" : `<span class="error" id="${id}-error" role="alert">${escapeHtml(faults.join(" "))}</span>`}`;
  };
  const general = errors[""] ?? [];
  return document(
    "Set-up",
    `<h1>Welcome to Busbar</h1>
<p>Make the first superuser: the account that may do everything, and that gives others their rights.</p>
${general.length === 0 ? "" : `<div class="alert" role="alert">${escapeHtml(general.join(" "))}</div>`}
<form method="post" action="/setup">
<input type="hidden" name="token" value="${escapeHtml(token)}">
${field("name", "Name", `value="${escapeHtml(name)}" maxlength="150" autocomplete="username" autofocus`)}
${field("password", "Password", 'type="password" minlength="8" autocomplete="new-password"', "At least 8 characters; a sentence is easy to remember and hard to guess.")}
${field("password2", "Password again", 'type="password" autocomplete="new-password"')}
<button type="submit">Make the superuser and sign in</button>
</form>`,
  );
}

export const setupOverPage = (): string =>
  document(
    "Set-up",
    `<h1>This link does not work</h1>
<p>It was used already, there is a superuser by now, or the server was started again since: then its output has a new link.</p>
<p>On the server's machine, <code>bin/busbar user add NAME --superuser</code> makes a superuser at any time.</p>
<p><a href="/">Go on to Busbar</a></p>`,
  );
