// What pages need beyond htmx: one event stream only while the page is looked at, a log that follows its
// end, a secret that is selected at a touch. Pages work without it; they only do not refresh themselves.
"use strict";

(() => {
  let source = null;

  // The event stream extension takes its sources from here.
  htmx.createEventSource = (url) => {
    source = new EventSource(url);
    if (document.hidden) source.close();
    return source;
  };

  // A browser opens few connections to one origin, so a hidden page gives its stream back. When it is
  // looked at again, the extension is told that the stream is closed, and opens it anew.
  document.addEventListener("visibilitychange", () => {
    if (source === null) return;
    if (document.hidden) source.close();
    else if (source.readyState === EventSource.CLOSED) source.dispatchEvent(new Event("error"));
  });

  // Whatever changed while the stream was away is asked for when it is open again.
  let opened = false;
  document.addEventListener("htmx:sseOpen", (event) => {
    if (opened) {
      for (const part of event.target.querySelectorAll(".live")) htmx.trigger(part, "sse:changed");
      const tail = document.getElementById("log-tail");
      if (tail) htmx.trigger(tail, "sse:log");
    }
    opened = true;
  });

  const here = document.querySelector("nav [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - 60;

  for (const log of document.querySelectorAll("[data-follow]")) {
    let follows = true;
    log.scrollTop = log.scrollHeight;
    log.addEventListener("scroll", () => {
      follows = log.scrollTop + log.clientHeight >= log.scrollHeight - 24;
    });
    new MutationObserver(() => {
      if (follows) log.scrollTop = log.scrollHeight;
    }).observe(log, { childList: true });
  }

  // What people have opened stays open when its part of the page is brought up to date.
  let open = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    const parts = event.target.querySelectorAll("details");
    open = [...parts].map((part) => part.open);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const id = event.detail.target.id;
    const now = (id && document.getElementById(id)) || event.target;
    now.querySelectorAll("details").forEach((part, place) => {
      if (open[place]) part.open = true;
    });
  });

  for (const field of document.querySelectorAll("[data-select]")) {
    field.addEventListener("focus", () => field.select());
  }
})();
