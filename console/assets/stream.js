// A shared worker: one stream of events for all tabs of a browser. A browser opens at most six
// connections to a host over HTTP/1.1, so a stream for each tab would stop the seventh.
"use strict";
const tabs = new Set();
let source = null, state = "connecting", last = 0, url = "";

function send(message) { for (const tab of tabs) tab.postMessage(message); }

function open() {
  source = new EventSource(url);
  source.onopen = () => { state = "open"; send({ state }); };
  source.onerror = () => {
    state = "broken";
    send({ state });
    if (source.readyState === EventSource.CLOSED) { // the server has refused the stream: try again later
      source.close();
      source = null;
      setTimeout(() => { if (!source && tabs.size) open(); }, 5000);
    }
  };
  source.onmessage = (event) => { last = Date.now(); send({ state: "open", ...JSON.parse(event.data) }); };
}

onconnect = (event) => {
  const tab = event.ports[0];
  tab.onmessage = (message) => {
    if (message.data.close) {
      tabs.delete(tab);
      if (!tabs.size && source) { source.close(); source = null; }
      return;
    }
    url = message.data.url;
    tabs.add(tab);
    if (!source) open();
    // The page was made before the tab joined, so it may lack changes of the last seconds.
    else tab.postMessage({ state, reset: Date.now() - last < 5000 });
  };
};
