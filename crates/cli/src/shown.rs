//! Messages for a terminal: what guests chose of them tells it nothing.

use hatchery::Shown;

/// A message with the control characters of its lines escaped. Names in it are one line each already; tabs are those of a
/// program's text.
pub(crate) fn lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(|part| Shown(part).to_string()).collect::<Vec<_>>().join("\t");
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_lines_and_tells_the_terminal_nothing() {
        assert_eq!(lines("one\u{1b}[2J\n\ttwo\u{7}é\r\n"), "one\\u{1b}[2J\n\ttwo\\u{7}é\\r\n");
    }
}
