//! What came of a script.

use std::fmt;
use std::ops::AddAssign;

/// Something that did not happen as the script says. Prints as `file:line: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The script's name.
    pub file: String,
    /// Line of the command, from 1.
    pub line: usize,
    /// What happened instead.
    pub message: String,
}

/// Numbers of assertions. Prints as the closing line of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Assertions that hold.
    pub passed: usize,
    /// Assertions that do not hold, and other commands that could not be carried out.
    pub failed: usize,
    /// Assertions that were not checked.
    pub skipped: usize,
}

/// What came of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many.
    pub counts: Counts,
    /// What failed.
    pub failures: Vec<Failure>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_counts() {
        let mut all = Counts { passed: 2, failed: 1, skipped: 1 };
        all += Counts { passed: 5, failed: 1, skipped: 0 };
        assert_eq!(all.to_string(), "7 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn failures_name_file_and_line() {
        let failure = Failure { file: "a.wast".into(), line: 3, message: "no".into() };
        assert_eq!(failure.to_string(), "a.wast:3: no");
    }
}
