"""The one page for strangers: plain HTML, so that nothing else is needed to show it."""

from typing import Final

SIGN_IN_HTML: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif }
main { max-width: 26rem; margin: 15vh auto; padding: 1rem }
input, button { font: inherit; width: 100%; box-sizing: border-box; padding: .6rem; margin-top: .6rem }
</style></head><body><main>
<h1>This node is yours?</h1>
<p>Show its token: it stands in the file <code>api-token</code> in the node's folder.</p>
<form id="form"><label for="token">Token</label>
<input id="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button><p id="problem" role="alert"></p></form>
</main><script>
document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/api/v1/session", {
    method: "POST", headers: {"Content-Type": "application/json"},
    body: JSON.stringify({token: document.getElementById("token").value.trim()})
  }).catch(() => null);
  if (answer && answer.ok) location.replace("/");
  else document.getElementById("problem").textContent =
    answer ? (await answer.json()).message : "The node does not answer.";
});
</script></body></html>
"""
