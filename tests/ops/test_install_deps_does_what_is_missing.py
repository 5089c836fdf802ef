"""ops/install-deps against a package manager of our own: what it asks for, when, and what it says."""
import os
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCRIPT = os.path.join(SOURCE, "ops", "install-deps")

# Every package is installed in the version that its pin wants, but for those in $STATE/missing.
DPKG_QUERY = r"""#!/bin/bash
shift 3
for name in "$@"; do
  grep -qx "$name" "$STATE/missing" && continue
  version=$(tr ' ' '\n' < "$SCRIPT" | sed -n "s/^$name=\(.*\)\*$/\1/p" | head -n 1)
  [ -e "$STATE/other-$name" ] && version=9.9
  echo "$name 1:${version:-1}-1 installed"
done
"""
APT_GET = r"""#!/bin/bash
echo "$*" >> "$STATE/log"
case "$*" in
  update*) touch "$STATE/updated"; rm -f "$STATE/stale" ;;
  "install -s"*) [[ "$*" != *"="* ]] || [ ! -e "$STATE/pins-gone" ] ;;
  install*) [ ! -e "$STATE/stale" ] && [ ! -e "$STATE/broken" ] && : > "$STATE/missing" ;;
esac
"""
APT_CACHE = r"""#!/bin/bash
candidate=1.0
[ -e "$STATE/no-lists" ] && [ ! -e "$STATE/updated" ] && candidate="(none)"
printf '%s:\n  Installed: (none)\n  Candidate: %s\n' "$2" "$candidate"
for i in $(seq 2000); do echo "  a long version table $i"; done
"""


class InstallDeps(unittest.TestCase):
    def setUp(self):
        self.state = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.state)
        stubs = {"dpkg-query": DPKG_QUERY, "apt-get": APT_GET, "apt-cache": APT_CACHE,
                 "id": "#!/bin/bash\necho 0\n"}
        for name, text in stubs.items():
            self.write(name, text)
            os.chmod(os.path.join(self.state, name), 0o755)
        self.missing()

    def write(self, name, text=""):
        with open(os.path.join(self.state, name), "w", encoding="utf-8") as out:
            out.write(text)

    def missing(self, *names):
        self.write("missing", "".join(f"{name}\n" for name in names))

    def run_script(self, *arguments):
        env = {**os.environ, "STATE": self.state, "SCRIPT": SCRIPT, "PATH": f"{self.state}:{os.environ['PATH']}"}
        return subprocess.run(["bash", SCRIPT, *arguments], env=env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)

    def log(self):
        path = os.path.join(self.state, "log")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as lines:
            return lines.read().splitlines()

    def installs(self):
        return [line for line in self.log() if line.startswith("install -y")]

    def test_all_there_means_no_call(self):
        done = self.run_script()
        self.assertEqual((done.returncode, done.stderr, self.log()), (0, "", []))

    def test_check_names_what_is_missing_and_installs_nothing(self):
        self.missing("catch2", "mold")
        done = self.run_script("--check")
        self.assertEqual((done.returncode, self.log()), (1, []))
        self.assertIn("catch2", done.stdout)
        self.assertIn("mold", done.stdout)

    def test_missing_is_installed_in_its_pinned_version(self):
        self.missing("catch2")
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(len(self.installs()), 1)
        self.assertTrue(self.installs()[0].endswith(" catch2=2.13.10*"), self.installs())
        self.assertNotIn("update", " ".join(self.log()))

    def test_a_pin_that_is_gone_falls_back_to_the_newest(self):
        self.missing("catch2")
        self.write("pins-gone")
        done = self.run_script()
        self.assertEqual(done.returncode, 0)
        self.assertIn("taking the newest", done.stderr)
        self.assertTrue(self.installs()[0].endswith(" catch2"), self.installs())

    def test_lists_are_read_when_there_are_none(self):
        self.missing("catch2")
        self.write("no-lists")
        self.assertEqual(self.run_script().returncode, 0)
        self.assertTrue(self.log()[0].startswith("update"), self.log())

    def test_old_lists_are_read_anew_and_the_installation_tried_again(self):
        self.missing("catch2")
        self.write("stale")
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(len(self.installs()), 2)

    def test_a_failed_installation_is_said(self):
        self.missing("catch2")
        self.write("broken")
        done = self.run_script()
        self.assertEqual(done.returncode, 1)
        self.assertIn("apt-get install failed", done.stderr)

    def test_another_version_is_warned_of(self):
        self.write("other-catch2")
        done = self.run_script()
        self.assertEqual((done.returncode, self.log()), (0, []))
        self.assertIn("catch2", done.stderr)

    def test_without_root_the_packages_are_named(self):
        self.missing("catch2")
        self.write("id", "#!/bin/bash\necho 1000\n")
        self.write("sudo", "#!/bin/bash\nexit 1\n")
        os.chmod(os.path.join(self.state, "sudo"), 0o755)
        done = self.run_script()
        self.assertEqual((done.returncode, self.installs()), (1, []))
        self.assertIn("apt-get install --no-install-recommends catch2", done.stderr)

    def test_an_unknown_option_is_a_usage_error(self):
        self.assertEqual(self.run_script("--nonsense").returncode, 2)


if __name__ == "__main__":
    unittest.main()
