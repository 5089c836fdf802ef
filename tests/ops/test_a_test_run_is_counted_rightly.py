"""ops/run-tests on a small project with tests that pass, fail, are skipped, and lack their program."""
import os
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

PRESETS = """{"version": 6, "configurePresets": [
  {"name": "release", "generator": "Ninja", "binaryDir": "${sourceDir}/build/${presetName}"},
  {"name": "dev", "inherits": "release"}]}"""

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES NONE)
enable_testing()
"""


def add_test(name, command, label="unit", extra=""):
    return (f'add_test(NAME "{name}" COMMAND {command})\n'
            f'set_tests_properties("{name}" PROPERTIES LABELS {label} {extra})\n')


class RunTests(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        os.mkdir(os.path.join(self.root, "ops"))
        shutil.copy(os.path.join(SOURCE, "ops", "run-tests"), os.path.join(self.root, "ops"))
        self.write("CMakePresets.json", PRESETS)

    def write(self, name, text):
        with open(os.path.join(self.root, name), "w", encoding="utf-8") as out:
            out.write(text)

    def run_tests(self, project, *arguments):
        self.write("CMakeLists.txt", PROJECT + project)
        env = {k: v for k, v in os.environ.items() if k != "MLFORGE_BUILD_ROOT"}
        done = subprocess.run([os.path.join(self.root, "ops", "run-tests"), *arguments], env=env,
                              capture_output=True, text=True, check=False)
        lines = done.stdout.rstrip().split("\n")
        return done.returncode, lines

    def test_all_pass(self):
        status, lines = self.run_tests(
            add_test("a", "true") + add_test("b", "true") + add_test("c", "true", "e2e"), "unit", "e2e")
        self.assertEqual((status, lines[-1]), (0, "3 passed, 0 failed, 0 skipped"))

    def test_failed_and_skipped_are_named(self):
        status, lines = self.run_tests(
            add_test("good", "true") + add_test("bad", "false") +
            add_test("no broker", "sh -c \"exit 77\"", extra="SKIP_RETURN_CODE 77"), "unit")
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 1 skipped"))
        self.assertIn("failed: bad (unit)", lines)
        self.assertIn("skipped: no broker (unit)", lines)

    def test_a_skip_alone_is_no_failure(self):
        status, lines = self.run_tests(
            add_test("no broker", "sh -c \"exit 77\"", extra="SKIP_RETURN_CODE 77"), "unit")
        self.assertEqual((status, lines[-1]), (0, "0 passed, 0 failed, 1 skipped"))

    def test_a_missing_program_is_a_failure(self):
        status, lines = self.run_tests(add_test("good", "true") + add_test("absent", "/no/such/program"), "unit")
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("failed: absent (unit)", lines)

    def test_a_timeout_is_a_failure(self):
        status, lines = self.run_tests(add_test("slow", "cat /dev/zero", extra="TIMEOUT 0.2"), "unit")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_a_failed_build_is_a_failure_and_the_other_stages_run(self):
        broken = ('if(CMAKE_BINARY_DIR MATCHES "release")\n'
                  '  add_custom_target(broken ALL COMMAND false)\nendif()\n'
                  'add_custom_target(test_small COMMAND true)\n')
        status, lines = self.run_tests(broken + add_test("a", "true"), "unit", "asan")
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("failed: the build of preset release (unit)", lines)

    def test_a_stage_without_tests_is_a_failure(self):
        status, lines = self.run_tests(add_test("a", "true"), "e2e")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_long_tests_are_not_in_the_short_run(self):
        project = add_test("a", "true") + add_test("crash", "true", "long")
        self.assertEqual(self.run_tests(project, "unit")[1][-1], "1 passed, 0 failed, 0 skipped")
        self.assertEqual(self.run_tests(project, "long")[1][-1], "1 passed, 0 failed, 0 skipped")


if __name__ == "__main__":
    unittest.main()
