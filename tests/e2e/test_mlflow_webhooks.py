"""MLflow's webhooks: made over its REST API and by its own client, with its payloads and signature;
retried, and not lost over a restart."""
import base64
import hashlib
import hmac
import json
import time
import unittest

import support
from mlflow_package import HAS_MLFLOW, WITHOUT
from support import Case
from test_webhooks import Receiver

if HAS_MLFLOW:
    import mlflow
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

API = "/api/2.0/mlflow"
HOOKS = API + "/webhooks"
SECRET = "shared with nobody"
REGISTRY = ["registered_model.created", "model_version.created", "model_version_tag.set",
            "model_version_tag.deleted", "model_version_alias.created",
            "model_version_alias.deleted"]
PROMPTS = ["prompt.created", "prompt_version.created", "prompt_tag.set", "prompt_tag.deleted",
           "prompt_version_tag.set", "prompt_version_tag.deleted", "prompt_alias.created",
           "prompt_alias.deleted"]


def signature_of(headers, body, secret=SECRET):
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
    code = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(code).decode()


def events_of(kinds):
    pairs = [kind.upper().split(".") for kind in kinds]
    return [{"entity": entity, "action": action} for entity, action in pairs]


class HookCase(Case):
    def setUp(self):
        super().setUp()
        self.s = self.server("--webhook-allowed-hosts", "127.0.0.1")
        self.receiver = Receiver()
        self.addCleanup(self.receiver.stop)

    def post(self, path, body):
        return self.ok(self.s.post(API + path, body))

    def make(self, kinds, name="hook", **more):
        body = {"name": name, "url": self.receiver.url, "events": events_of(kinds), **more}
        return self.ok(self.s.post(HOOKS, body))["webhook"]

    def received(self, count):
        """The first `count` bodies as (entity.action, data)."""
        support.until(lambda: len(self.receiver.got) >= count, f"{count} deliveries")
        return [(f"{e['entity']}.{e['action']}", e["data"]) for e in self.receiver.events()]

    def refused(self, answer, code="INVALID_PARAMETER_VALUE", status=400, words=""):
        self.assertEqual((answer.status, answer["error_code"]), (status, code), answer)
        self.assertIn(words, answer["message"])


class Webhooks(HookCase):
    def test_made_changed_listed_deleted(self):
        made = self.make(REGISTRY[:2], description="tells all", secret=SECRET)
        self.assertTrue(support.UUID.match(made["webhook_id"]))
        self.assertEqual((made["name"], made["url"], made["status"], made["description"]),
                         ("hook", self.receiver.url, "ACTIVE", "tells all"))
        self.assertEqual(made["events"], events_of(sorted(REGISTRY[:2])), "in MLflow's order")
        self.assertNotIn(SECRET, json.dumps(self.s.events()))
        path = f"{HOOKS}/{made['webhook_id']}"
        self.assertEqual(self.ok(self.s.get(path))["webhook"], made)
        moment = self.s.position()
        changed = self.ok(self.s.call("PATCH", path, {
            "status": "DISABLED", "events": [{"entity": 2, "action": 1}], "name": "other"}))["webhook"]
        self.assertEqual((changed["status"], changed["events"], changed["name"], changed["url"]),
                         ("DISABLED", events_of(REGISTRY[1:2]), "other", made["url"]))
        self.assertGreaterEqual(changed["last_updated_timestamp"], made["creation_timestamp"])
        self.assertEqual(self.ok(self.s.get(f"{path}?as_of={moment}"))["webhook"], made)
        second = self.make(PROMPTS, "second")
        all = self.ok(self.s.get(HOOKS))["webhooks"]
        self.assertEqual([w["webhook_id"] for w in all], [second["webhook_id"], made["webhook_id"]])
        page = self.ok(self.s.get(HOOKS + "?max_results=1"))
        rest = self.ok(self.s.get(f"{HOOKS}?max_results=1&page_token={page['next_page_token']}"))
        self.assertEqual(page["webhooks"] + rest["webhooks"], all)
        self.assertNotIn("next_page_token", rest)
        self.assertEqual(self.ok(self.s.call("DELETE", path)), {})
        for answer in (self.s.get(path), self.s.call("DELETE", path), self.s.post(path + "/test", {}),
                       self.s.call("PATCH", path, {"name": "x"})):
            self.refused(answer, "RESOURCE_DOES_NOT_EXIST", 404, "not found")

    def test_what_is_wrong_is_refused(self):
        good = {"name": "hook", "url": self.receiver.url, "events": events_of(REGISTRY)}
        before = self.s.position()
        for name, value in (("name", ""), ("name", "Hook"), ("name", "-a"), ("name", "a" * 64),
                            ("url", ""), ("url", "ftp://x/"), ("url", "http://10.0.0.1/"),
                            ("url", "http://169.254.169.254/latest"), ("url", "http://[::1]/"),
                            ("events", []), ("events", None), ("events", "all"), ("events", [1]),
                            ("events", [{"entity": "MODEL_VERSION", "action": "DELETED"}]),
                            ("events", [{"entity": "NOBODY", "action": "CREATED"}]),
                            ("status", "ASLEEP"), ("secret", "x" * 1001), ("name", 1)):
            self.refused(self.s.post(HOOKS, {**good, name: value}))
        self.refused(self.s.post(HOOKS, {**good, "events": events_of(["model_version.deleted"])}),
                     words="Valid actions are: ['created']")
        self.assertEqual(self.s.position(), before)
        native = self.s.post("/api/v1/subscriptions", {"name": "x", "kind": "mlflow", "url": good["url"],
                                                       "subject": "model_version.created"})
        self.error(native, "invalid_argument", "kind", "MLflow")

    def test_models(self):
        self.make(REGISTRY + PROMPTS, secret=SECRET)
        self.post("/registered-models/create", {
            "name": "m", "description": "about", "tags": [{"key": "a", "value": "b"}]})
        self.post("/model-versions/create", {"name": "m", "source": "s3://b/m", "description": "v"})
        version = {"name": "m", "version": "1"}
        self.post("/model-versions/set-tag", {**version, "key": "k", "value": "1"})
        self.ok(self.s.call("DELETE", API + "/model-versions/delete-tag", {**version, "key": "k"}))
        self.post("/registered-models/alias", {**version, "alias": "best"})
        self.ok(self.s.call("DELETE", API + "/registered-models/alias",
                            {"name": "m", "alias": "best"}))
        self.post("/registered-models/set-tag", {"name": "m", "key": "no", "value": "hook"})
        self.post("/registered-models/create", {"name": "end"})
        self.assertEqual(self.received(7), [
            ("registered_model.created", {"name": "m", "tags": {"a": "b"}, "description": "about"}),
            ("model_version.created", {"name": "m", "version": "1", "source": "s3://b/m",
                                       "run_id": None, "tags": {}, "description": "v"}),
            ("model_version_tag.set", {**version, "key": "k", "value": "1"}),
            ("model_version_tag.deleted", {**version, "key": "k"}),
            ("model_version_alias.created", {**version, "alias": "best"}),
            ("model_version_alias.deleted", {"name": "m", "alias": "best"}),
            ("registered_model.created", {"name": "end", "tags": {}, "description": ""})])
        ids = set()
        for _, headers, body in self.receiver.got:
            ids.add(headers["X-MLflow-Delivery-Id"])
            self.assertEqual(headers["X-MLflow-Signature"], signature_of(headers, body))
            self.assertLess(abs(int(headers["X-MLflow-Timestamp"]) - time.time()), 300)
            self.assertEqual(headers["Content-Type"], "application/json")
            self.assertRegex(json.loads(body)["timestamp"], r"^\d{4}-.*\+00:00$")
        self.assertEqual(len(ids), 7)

    def test_prompts_are_models_with_a_tag(self):
        self.make(REGISTRY + PROMPTS)
        prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
        self.post("/registered-models/create", {"name": "p", "tags": [prompt]})
        self.post("/model-versions/create", {
            "name": "p", "source": "dummy-source",
            "tags": [prompt, {"key": "mlflow.prompt.text", "value": "Hi {{x}}"}]})
        version = {"name": "p", "version": "1"}
        self.post("/registered-models/set-tag", {"name": "p", "key": "k", "value": "v"})
        self.ok(self.s.call("DELETE", API + "/registered-models/delete-tag",
                            {"name": "p", "key": "k"}))
        self.post("/model-versions/set-tag", {**version, "key": "k", "value": "v"})
        self.ok(self.s.call("DELETE", API + "/model-versions/delete-tag", {**version, "key": "k"}))
        self.post("/registered-models/alias", {**version, "alias": "now"})
        self.ok(self.s.call("DELETE", API + "/registered-models/alias", {"name": "p", "alias": "now"}))
        self.assertEqual(self.received(8), [
            ("prompt.created", {"name": "p", "tags": {}, "description": ""}),
            ("prompt_version.created", {"name": "p", "version": "1", "template": "Hi {{x}}",
                                        "tags": {}, "description": None}),
            ("prompt_tag.set", {"name": "p", "key": "k", "value": "v"}),
            ("prompt_tag.deleted", {"name": "p", "key": "k"}),
            ("prompt_version_tag.set", {**version, "key": "k", "value": "v"}),
            ("prompt_version_tag.deleted", {**version, "key": "k"}),
            ("prompt_alias.created", {**version, "alias": "now"}),
            ("prompt_alias.deleted", {"name": "p", "alias": "now"})])

    def test_only_what_was_asked_for_and_only_while_active(self):
        made = self.make(["model_version.created"])
        path = f"{HOOKS}/{made['webhook_id']}"
        self.post("/registered-models/create", {"name": "m"})
        version = {"name": "m", "source": "s3://b/m"}
        self.post("/model-versions/create", version)
        self.assertEqual([k for k, _ in self.received(1)], ["model_version.created"])
        self.ok(self.s.call("PATCH", path, {"status": "DISABLED"}))
        self.post("/model-versions/create", version)
        self.post("/registered-models/create", {"name": "not told"})
        self.ok(self.s.call("PATCH", path, {"status": "ACTIVE",
                                            "events": events_of(["registered_model.created"])}))
        self.post("/registered-models/create", {"name": "n"})
        self.assertEqual(self.received(2)[-1][1]["name"], "n")

    def test_what_happened_while_it_was_disabled_is_not_told_after_a_restart_either(self):
        made = self.make(["registered_model.created"])
        path = f"{HOOKS}/{made['webhook_id']}"
        self.ok(self.s.call("PATCH", path, {"status": "DISABLED"}))
        self.post("/registered-models/create", {"name": "not told"})
        self.s.kill()
        self.s.start()
        self.post("/registered-models/create", {"name": "nor this"})
        self.ok(self.s.call("PATCH", path, {"status": "ACTIVE"}))
        self.post("/registered-models/create", {"name": "told"})
        self.assertEqual(self.received(1)[0][1]["name"], "told")

    def test_a_body_is_written_as_by_python(self):
        self.make(["registered_model.created"])
        self.post("/registered-models/create", {"name": "m", "description": "ü 😀 \"a, b: c\" \\ \u2028\n",
                                                "tags": [{"key": "a", "value": "1"}]})
        self.received(1)
        body = self.receiver.got[0][2].decode("ascii")
        self.assertEqual(body, json.dumps(json.loads(body)))
        self.assertIn("\\ud83d\\ude00", body)

    def test_urls_are_kept_as_they_are_sent(self):
        port = self.receiver.port
        for given, kept in ((f" HTTP://127.0.0.1:{port}/x ", f"http://127.0.0.1:{port}/x"),
                            (f"http://127.0.0.1:{port}/é?a=b c#there", f"http://127.0.0.1:{port}/%C3%A9?a=b%20c")):
            made = self.make(["registered_model.created"], name="u", url=given)
            self.assertEqual(made["url"], kept)
            self.ok(self.s.post(f"{HOOKS}/{made['webhook_id']}/test", {}))
            self.assertEqual(self.receiver.got[-1][0], kept[kept.index("/", 8):])
        self.refused(self.s.post(HOOKS, {"name": "u", "url": f"http://u:p@127.0.0.1:{port}/",
                                         "events": events_of(REGISTRY)}), words="no user and password")
        self.assertEqual(len(self.ok(self.s.get(HOOKS + "?max_results=0"))["webhooks"]), 2)

    def test_retried_over_a_restart_with_the_same_delivery_id(self):
        self.make(["registered_model.created"], secret=SECRET)
        self.receiver.answer = lambda headers, body: 500
        self.post("/registered-models/create", {"name": "m"})
        self.received(1)
        self.s.kill()
        self.receiver.answer = lambda headers, body: 200
        self.s.start()
        support.until(lambda: len(self.receiver.got) >= 2, "the second attempt")
        first, last = self.receiver.got[0], self.receiver.got[-1]
        self.assertEqual(first[1]["X-MLflow-Delivery-Id"], last[1]["X-MLflow-Delivery-Id"])
        self.assertEqual(first[2], last[2])
        self.assertEqual(last[1]["X-MLflow-Signature"], signature_of(last[1], last[2]))

    def test_trying_one(self):
        made = self.make(["model_version.created", "prompt.created"], secret=SECRET)
        path = f"{HOOKS}/{made['webhook_id']}/test"
        result = self.ok(self.s.post(path, {}))["result"]
        self.assertEqual(result, {"success": True, "response_status": 200, "response_body": ""})
        result = self.ok(self.s.post(path, {"event": events_of(["prompt.created"])[0]}))["result"]
        self.assertEqual([k for k, _ in self.received(2)], ["model_version.created", "prompt.created"])
        for _, headers, body in self.receiver.got:
            self.assertEqual(headers["X-MLflow-Signature"], signature_of(headers, body))
        self.receiver.answer = lambda headers, body: 418
        result = self.ok(self.s.post(path, {}))["result"]
        self.assertEqual((result["success"], result["response_status"]), (False, 418))
        self.receiver.answer, self.receiver.headers = (lambda headers, body: 307), {"Location": "/there"}
        result = self.ok(self.s.post(path, {}))["result"]
        self.assertEqual((result["success"], result["response_status"]), (False, 307), "not followed")
        self.receiver.stop()
        result = self.ok(self.s.post(path, {}))["result"]
        self.assertFalse(result["success"])
        self.assertIn("Failed to test webhook", result["error_message"])


@unittest.skipUnless(HAS_MLFLOW, WITHOUT)
class WebhooksByTheClient(HookCase):
    def setUp(self):
        super().setUp()
        mlflow.set_tracking_uri(self.s.url)
        mlflow.set_registry_uri(self.s.url)
        self.client = MlflowClient()

    def test_the_life_of_a_webhook(self):
        c = self.client
        made = c.create_webhook(name="hook", url=self.receiver.url, events=REGISTRY + PROMPTS,
                                description="all", secret=SECRET)
        self.assertEqual(c.get_webhook(made.webhook_id).events, made.events)
        self.assertEqual([w.webhook_id for w in c.list_webhooks()], [made.webhook_id])
        c.create_registered_model("m", tags={"a": "b"})
        c.create_model_version("m", "s3://bucket/m")
        c.set_model_version_tag("m", "1", "k", "v")
        c.set_registered_model_alias("m", "best", "1")
        c.delete_registered_model_alias("m", "best")
        wanted = ["registered_model.created", "model_version.created", "model_version_tag.set",
                  "model_version_alias.created", "model_version_alias.deleted"]
        self.assertEqual([k for k, _ in self.received(5)], wanted)
        for _, headers, body in self.receiver.got:
            self.assertEqual(headers["X-MLflow-Signature"], signature_of(headers, body))
        self.assertTrue(c.test_webhook(made.webhook_id, event="prompt.created").success)
        self.assertEqual(self.received(6)[-1][0], "prompt.created")
        changed = c.update_webhook(made.webhook_id, name="other", status="DISABLED",
                                   events=["prompt_version.created"])
        self.assertEqual((changed.name, str(changed.status), changed.description),
                         ("other", "DISABLED", "all"))
        c.delete_webhook(made.webhook_id)
        self.assertEqual(list(c.list_webhooks()), [])
        with self.assertRaisesRegex(MlflowException, "not found"):
            c.get_webhook(made.webhook_id)
        with self.assertRaises(MlflowException):
            c.create_webhook(name="hook", url="http://10.1.2.3/x", events=REGISTRY)

    def test_a_prompt(self):
        if not hasattr(mlflow, "genai"):
            self.skipTest("this mlflow has no prompts")
        self.client.create_webhook(name="hook", url=self.receiver.url, events=PROMPTS)
        mlflow.genai.register_prompt(name="greet", template="Hello {{name}}!", tags={"a": "b"})
        got = dict(self.received(2))
        self.assertEqual(got["prompt.created"]["name"], "greet")
        self.assertEqual((got["prompt_version.created"]["template"],
                          got["prompt_version.created"]["tags"]), ("Hello {{name}}!", {"a": "b"}))


if __name__ == "__main__":
    support.main()
