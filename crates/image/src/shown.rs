//! Names that guests chose, in messages.

use core::fmt::{self, Display, Write};

/// Shows a name with control characters escaped: it is one line, and tells a terminal nothing.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.chars().any(char::is_control) {
            return f.pad(self.0);
        }
        self.0
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_terminal_nothing() {
        assert_eq!(Shown("\u{1b}]0;x\u{7}\n  [1] func é").to_string(), r"\u{1b}]0;x\u{7}\n  [1] func é");
        assert_eq!(format!("{:<6}|", Shown("run")), "run   |");
    }
}
