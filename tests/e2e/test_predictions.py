"""No answered prediction is lost by kill -9, and none is in the log twice."""
import threading

import support
from support import Case, run_cli

V1 = "/api/v1"
ROUNDS = 20 if support.LONG else 4


class Asker:
    """Asks for predictions until the server is gone, and remembers what was answered."""

    def __init__(self, server, name):
        self.server, self.name, self.answered = server, name, []
        self.rows = [support.features(row) for row in support.adult_rows(20, 5)]

    def __call__(self):
        client = self.server.client()
        try:
            while True:
                request_id = f"{self.name}-{len(self.answered)}"
                body = {"features": self.rows[len(self.answered) % 20], "request_id": request_id}
                if len(self.answered) % 10 == 9:
                    body["subject"] = "person/1"
                answer = client.post("/predict", body)
                if answer.status == 200:
                    self.answered.append(request_id)
        except (OSError, support.http.client.HTTPException):
            pass
        finally:
            client.close()


class Predictions(Case):
    def served(self):
        s = self.server()
        support.add_people(self, s, rows=1000)
        support.train(self, s, rounds=2)
        self.ok(s.post(V1 + "/models/small/versions/1/stage", {"stage": "Staging"}))
        self.ok(s.post(V1 + "/endpoints", {"name": "live", "model": "small",
                                           "drift_window": 1000000}), 201)
        self.ok(s.post("/promote", {"version": "1", "reason": "the first"}))
        return s

    @staticmethod
    def opened(s):
        """The ids in the log; those of a subject are encrypted there, and come as None."""
        return [r or None for e in s.events(type="prediction.logged")
                for r in e["payload"]["request_ids"]]

    def test_kill_9_loses_no_answer_and_doubles_none(self):
        s, answered, unanswered = self.served(), [], 0
        for round_ in range(ROUNDS):
            askers = [Asker(s, f"{round_}-{i}") for i in range(3)]
            threads = [threading.Thread(target=each) for each in askers]
            for each in threads:
                each.start()
            support.until(lambda: sum(len(a.answered) for a in askers) > 100 + 150 * round_,
                          "some predictions")
            s.kill()
            for each in threads:
                each.join()
            answered += [a for each in askers for a in each.answered]
            unanswered += len(askers)  # each may have had one request under way
            s.start()
            logged = self.opened(s)
            plain = [r for r in logged if r]
            self.assertEqual(len(plain), len(set(plain)), "twice in the log")
            named = {a for a in answered if int(a.split("-")[2]) % 10 != 9}
            self.assertEqual(named - set(plain), set())
            self.assertGreaterEqual(len(logged), len(answered))
            self.assertLessEqual(len(logged), len(answered) + unanswered)
        self.assertEqual(s.stop(), 0)
        self.assertEqual(run_cli("verify", "--data", s.data).returncode, 0)


if __name__ == "__main__":
    support.main()
