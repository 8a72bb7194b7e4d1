// The playground: sends words with the key that was typed, shows the answer as it comes, counts what it used.
// The key lives in its field alone and goes nowhere but to this console, which hands it to the gateway.
"use strict";

(() => {
  const find = (id) => document.getElementById(id);
  const play = find("playground");
  if (play === null) return;
  const model = find("play-model"), key = find("play-key"), text = find("play-text"), log = find("play-log");
  const send = find("play-send"), form = find("play-form"), hint = find("play-hint");
  let turns = [], total = { in: 0, out: 0, euros: 0 }, stopping = null;

  const number = new Intl.NumberFormat("en");
  const money = (euros) => euros.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 6 });
  const way = () => document.querySelector("input[name=way]:checked").value;

  const show = (kind, words) => {
    hint.hidden = true;
    const turn = document.createElement("div");
    turn.className = `turn ${kind}`;
    turn.append(document.createTextNode(words));
    log.append(turn);
    log.scrollTop = log.scrollHeight;
    return turn;
  };

  const price = (usage) => {
    const chosen = model.selectedOptions[0].dataset;
    if (chosen.in === "" || chosen.out === "") return null;
    return (usage.prompt_tokens * chosen.in + usage.completion_tokens * chosen.out) / 1e12;
  };

  const account = (turn, usage) => {
    if (!usage) return;
    const euros = price(usage);
    total.in += usage.prompt_tokens;
    total.out += usage.completion_tokens;
    total.euros += euros ?? 0;
    const used = document.createElement("span");
    used.className = "used";
    used.textContent = `${number.format(usage.prompt_tokens)} tokens in, ${number.format(usage.completion_tokens)} out` +
      (euros === null ? "" : `, about ${money(euros)} EUR`);
    turn.append(used);
    find("play-sum").textContent =
      `Together ${number.format(total.in)} tokens in, ${number.format(total.out)} out, about ${money(total.euros)} EUR.`;
  };

  const fault = (words) => show("fault", words);

  // Events of the answer, one JSON object each, until [DONE].
  async function* events(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const lines = rest.split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const data = line.startsWith("data:") ? line.slice(5).trim() : "";
        if (data && data !== "[DONE]") yield JSON.parse(data);
      }
    }
  }

  async function ask(words) {
    const chatting = way() === "chat";
    if (chatting) {
      turns.push({ role: "user", content: words });
      show("mine", words);
    }
    const question = {
      model: model.value,
      max_tokens: Number(find("play-tokens").value) || 200,
      temperature: Number(find("play-temperature").value),
    };
    const body = chatting ? { ...question, messages: turns } : { ...question, prompt: words };
    stopping = new AbortController();
    let turn = null, answer = "";
    try {
      const response = await fetch("/playground/ask", {
        method: "POST",
        signal: stopping.signal,
        headers: {
          "Content-Type": "application/json",
          "Accept": "application/json, text/event-stream",
          "Bruk-Form": play.dataset.formToken,
          "Bruk-Key": key.value.trim(),
        },
        body: JSON.stringify(body),
      });
      if (!response.ok) {
        const said = await response.json().catch(() => ({}));
        if (chatting) turns.pop();
        fault(said.error?.message ?? `The gateway refused with status ${response.status}.`);
        return;
      }
      turn = show(chatting ? "theirs" : "text", chatting ? "" : words);
      let usage = null;
      for await (const event of events(response.body)) {
        if (event.error) fault(event.error.message);
        const choice = event.choices?.[0];
        const piece = choice?.delta?.content ?? choice?.text ?? "";
        answer += piece;
        turn.firstChild.data += piece;
        log.scrollTop = log.scrollHeight;
        usage = event.usage ?? usage;
      }
      if (chatting) turns.push({ role: "assistant", content: answer });
      account(turn, usage);
    } catch (error) {
      if (error.name !== "AbortError") fault("The answer broke off. Try again.");
      else if (turn !== null && chatting) turns.push({ role: "assistant", content: answer });
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (stopping !== null) {
      stopping.abort();
      return;
    }
    const words = text.value;
    if (!words.trim()) return;
    if (!/^[\x21-\x7e]+$/.test(key.value.trim())) {
      fault("Give a key of your project first; it begins with bk_ and stays in this page.");
      key.focus();
      return;
    }
    send.textContent = "Stop";
    if (way() === "chat") text.value = "";
    await ask(words);
    stopping = null;
    send.textContent = "Send";
    text.focus();
  });

  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && way() === "chat") {
      event.preventDefault();
      form.requestSubmit();
    }
  });

  find("play-clear").addEventListener("click", () => {
    turns = [];
    log.replaceChildren(hint);
    hint.hidden = false;
    text.focus();
  });
})();
