"""Logs that earlier versions wrote open, verify and answer as they did then; and what this program does
not know goes through it byte for byte. make_golden_log.py makes the logs."""
import glob
import json
import os
import tarfile

import support
from support import Case, run_cli

V1 = "/api/v1"
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")


def without_position(answer):
    return {k: v for k, v in answer.items() if k != "position"}


class GoldenLog(Case):
    def path(self, name):
        return os.path.join(self.folder, name)

    def cli(self, *arguments, code=0):
        done = run_cli(*arguments)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done.stdout

    def holds(self, now, then, where):
        """Answers may have got new fields since; those that were there say the same."""
        if isinstance(then, dict):
            for key, value in then.items():
                self.assertIn(key, now, where)
                self.holds(now[key], value, f"{where}.{key}")
        elif isinstance(then, list):
            self.assertEqual(len(now), len(then), where)
            for i, value in enumerate(then):
                self.holds(now[i], value, f"{where}[{i}]")
        else:
            self.assertEqual(now, then, where)

    def rows_of(self, events):
        return sum(len(e["payload"]["versions"]) for e in events)

    def open_golden(self, path):
        then = json.load(open(path.replace(".tar.gz", ".json"), encoding="utf-8"))
        data = self.path(os.path.basename(path))
        with tarfile.open(path) as tar:
            tar.extractall(data, filter="data") if hasattr(tarfile, "data_filter") else \
                tar.extractall(data)
        verified = json.loads(self.cli("verify", "--data", data, "--json"))
        self.assertTrue(verified["ok"], verified)
        self.assertEqual((verified["events"], verified["root"]), (then["events"], then["root"]))
        self.assertGreater(verified["checkpoint_size"], 0)
        lines = self.cli("export", "--data", data).splitlines()
        types = {}
        for line in lines:
            kind = json.loads(line)["type"]
            types[kind] = types.get(kind, 0) + 1
        self.assertEqual(types, then["types"])

        server = self.server(data=data)
        for question, answer in then["answers"].items():
            now = self.ok(server.get(V1 + question))
            if question.startswith("/audit"):  # the log's key came after the answers
                now["items"] = [a for a in now["items"]
                                if a["position"] <= answer["items"][0]["position"]]
            self.holds(without_position(now), without_position(answer), question)
        logged = server.events(type="prediction.logged")
        self.assertEqual(self.rows_of(logged), then["predictions"])
        # It goes on, and what was there stays as it was.
        self.ok(server.post(V1 + "/experiments", {"name": "later"}), 201)
        self.assertEqual(server.stop(), 0)
        self.cli("verify", "--data", data)
        self.cli("rebuild", "--data", data)
        self.assertEqual(self.cli("export", "--data", data).splitlines()[:len(lines)], lines)

    def test_logs_of_earlier_versions(self):
        paths = sorted(glob.glob(os.path.join(GOLDEN, "*.tar.gz")))
        self.assertTrue(paths)
        for path in paths:
            with self.subTest(log=os.path.basename(path)):
                self.open_golden(path)


class Unknown(Case):
    """Events of a later program: another type, a later version of a known one."""

    def path(self, name):
        return os.path.join(self.folder, name)

    def cli(self, *arguments, code=0):
        done = run_cli(*arguments)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done.stdout

    def later_log(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1", "name": "r"}), 201)["run_id"]
        for i in range(4):
            self.ok(server.post(f"{V1}/runs/{run}/tags", {"tags": {"t": str(i)}}))
        self.assertEqual(server.stop(), 0)
        lines = self.cli("export", "--data", self.path("data")).splitlines()
        changed = [("run.exploded", 1, '{"how":"loudly", "x":[1 , 2]}', "json"),
                   ("run.tags_set", 9, '{"tags":{"t":{"v":1}}}', "json"),
                   ("run.metrics_logged", 7, None, "columns")]
        for i, (kind, schema, payload, content) in enumerate(changed, 2):
            line = json.loads(lines[i])
            line.update(type=kind, schema=schema, content_type=content)
            line.pop("commitment")
            line.pop("payload")
            if payload is None:
                line["payload_base64"] = "/wABAgME/w=="
            else:
                line["payload"] = json.loads(payload)
            lines[i] = json.dumps(line)
        with open(self.path("later.jsonl"), "w", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in lines)
        self.cli("import", self.path("later.jsonl"), "--data", self.path("later"))
        return run

    def test_they_are_kept(self):
        run = self.later_log()
        later = self.path("later")
        text = self.cli("export", "--data", later)
        self.assertIn('"type":"run.exploded"', text)
        self.cli("verify", "--data", later)
        self.cli("rebuild", "--data", later)

        server = self.server(data=later)
        row = self.ok(server.get(f"{V1}/runs/{run}"))
        self.assertEqual(row["tags"], {"t": "3"}, "what is known counts")
        events = {e["position"]: e for e in server.events()}
        self.assertEqual(events[3]["payload"], {"how": "loudly", "x": [1, 2]})
        self.assertEqual((events[4]["type"], events[4]["schema"]), ("run.tags_set", 9))
        self.assertEqual(events[5]["schema"], 7)
        audit = self.ok(server.get(f"{V1}/audit?stream=run/{run}"))["items"]
        self.assertEqual(len([a for a in audit if "does not know" in a["summary"]]), 3)
        self.ok(server.get(f"{V1}/states/run/{run}"))
        self.ok(server.get(V1 + "/diff"))
        self.ok(server.post(f"{V1}/runs/{run}/tags", {"tags": {"more": "x"}}))
        self.assertEqual(server.stop(), 0)

        whole = self.cli("export", "--data", later)
        self.assertTrue(whole.startswith(text), "nothing that was there has changed")
        for command, target in ((("backup", "--data", later, "-o"), "copy"),
                                (("fork", "--data", later, "-o"), "fork")):
            self.cli(*command, self.path(target))
            self.assertEqual(self.cli("export", "--data", self.path(target)), whole, command)
            self.cli("verify", "--data", self.path(target))
        with open(self.path("again.jsonl"), "w", encoding="utf-8") as out:
            out.write(whole)
        self.cli("import", self.path("again.jsonl"), "--data", self.path("again"))
        self.assertEqual(self.cli("export", "--data", self.path("again")), whole)


if __name__ == "__main__":
    support.main()
