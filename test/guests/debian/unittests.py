"""Runs one of Python's own test modules: a line for each test and what became of it on stdout, details on stderr."""
import os
import sys
import unittest

from test import support

support.verbose = False  # some tests print how long they waited
module = sys.argv[1]
os.makedirs("/tmp/unittests", exist_ok=True)
os.chdir("/tmp/unittests")
lines = os.fdopen(os.dup(1), "w")  # tests close and replace descriptors


class Result(unittest.TextTestResult):
    def say(self, test, what):
        lines.write(f"{test.id()} {what}\n")
        lines.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.say(test, "ok")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say(test, "FAIL")

    def addError(self, test, err):
        super().addError(test, err)
        self.say(test, "ERROR")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say(test, "skipped")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.say(test, "expected failure")


suite = unittest.defaultTestLoader.loadTestsFromName("test." + module)
sys.argv = [__file__]
unittest.TextTestRunner(stream=sys.stderr, verbosity=0, resultclass=Result).run(suite)
lines.write("finished\n")
lines.flush()
