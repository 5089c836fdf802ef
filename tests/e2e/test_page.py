"""The first page in a browser, where there is one: headless Chromium, asked over its debugging protocol."""
import http.client
import json
import os
import re
import shutil
import subprocess

import support
from support import Case

V1 = "/api/v1"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One tab."""

    def __init__(self, case, url):
        self.host, self.calls = "127.0.0.1", 0
        self.process = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-port=0", f"--user-data-dir={case.folder}/profile", url],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "HOME": case.folder}, preexec_fn=support.die_with_parent)
        case.addCleanup(self.close)
        for line in self.process.stderr:
            found = re.match(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line)
            if found:
                break
        self.port = int(found[1])
        tab = support.until(self.tab, "the tab")
        self.socket = support.WebSocket(self, re.sub(r"^ws://[^/]*", "", tab))

    def tab(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=support.SLOW)
        connection.request("GET", "/json/list")
        tabs = json.loads(connection.getresponse().read())
        connection.close()
        return next((t["webSocketDebuggerUrl"] for t in tabs if t["type"] == "page"), None)

    def call(self, method, **parameters):
        self.calls += 1
        self.socket.send(1, json.dumps({"id": self.calls, "method": method,
                                        "params": parameters}).encode())
        while True:
            answer = json.loads(self.socket.next())
            if answer.get("id") == self.calls:
                return answer["result"]

    def value(self, expression):
        return self.call("Runtime.evaluate", expression=expression,
                         returnByValue=True)["result"].get("value")

    def close(self):
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


@support.unittest.skipUnless(CHROMIUM, "chromium is not installed")
class Page(Case):
    def browse(self, server):
        browser = Browser(self, server.url + "/")
        support.until(lambda: browser.value("document.getElementById('state')?.textContent")
                      not in (None, "connecting"), "the page")
        self.assertEqual(browser.value("document.getElementById('state').textContent"), "live")
        return browser

    def test_events_that_retention_has_emptied_do_not_stop_it(self):
        s = self.server("--gate-min-auc", "0.5")
        support.add_people(self, s, rows=1200)
        support.train(self, s, "m", rounds=2)
        self.ok(s.post(V1 + "/models/m/versions/1/stage", {"stage": "Staging"}))
        self.ok(s.post(V1 + "/endpoints", {"name": "m", "model": "m"}), 201)
        self.ok(s.post("/promote", {"version": "1"}))
        for row in support.adult_rows(5, 5):
            self.ok(s.post("/predict", {"features": support.features(row)}))
        support.until(lambda: s.events(type="prediction.logged"), "the predictions' events")
        self.ok(s.post(V1 + "/experiments", {"name": "later"}), 201)
        # Ages are whole seconds: a payload is old enough when the second has passed.
        support.until(lambda: s.post(V1 + "/admin/retention", {"kind": "predictions", "keep": "1s"})
                      ["events"] > 0, "predictions that are a second old", every=0.2)
        support.until(lambda: any(e.get("expired") for e in s.events(type="prediction.logged")),
                      "a payload that is gone")
        browser = self.browse(s)
        text = browser.value("document.body.innerText")
        self.assertIn("its payload is no longer kept", text)
        self.assertIn("m v1", text, "the champion")
        shown = browser.value("document.getElementById('position').textContent")
        self.assertEqual(int(shown.replace(",", "")), s.position())

    def test_names_of_runs_can_be_read_at_every_width(self):
        s = self.server()
        self.ok(s.post(V1 + "/experiments", {"name": "wide"}), 201)
        run = self.ok(s.post(V1 + "/runs", {"experiment_id": "1", "name": "train_wide_07"}), 201)
        self.ok(s.post(f"{V1}/runs/{run['run_id']}/metrics",
                       {"metrics": [{"key": "validation-auc", "value": 0.91234, "step": 499}]}))
        browser = self.browse(s)
        cut = """[...document.querySelectorAll('#runs td, #runs th')]
                 .filter((c) => c.scrollWidth > c.clientWidth).map((c) => c.textContent).join()"""
        for width in (480, 800, 1000, 1001, 1100, 1200, 1300, 1360, 1361, 1400, 1920):
            browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                         deviceScaleFactor=1, mobile=False)
            self.assertEqual(browser.value("innerWidth"), width)
            self.assertEqual(browser.value(cut), "", width)


if __name__ == "__main__":
    support.main()
