//! Code in a package's texts, as far as one sees it without reading all of Markdown.

/// A text whose code blocks are shown as plain text, not as Rust: the fences say so, and nothing else is indented as code is.
pub(super) fn plain(text: &str) -> String {
    let (mut plain, mut open) = (Vec::new(), None);
    for line in text.lines() {
        let fence = Fence::at(line);
        plain.push(match (&open, &fence) {
            (None, Some(fence)) => format!("{}{}text", fence.markers, fence.marks),
            (None, None) => shallow(line),
            _ => line.to_owned(),
        });
        open = match (open, fence) {
            (Some(open), Some(fence)) if fence.ends(&open) => None,
            (None, fence) => fence,
            (open, _) => open,
        };
    }
    // What stands behind the text is none of its code.
    plain.extend(open.map(|fence| fence.end()));
    plain.join("\n")
}

/// A line that begins or ends a code block.
struct Fence<'a> {
    /// The marks of the quotes and lists that it is in.
    markers: &'a str,
    /// Three or more backticks or tildes.
    marks: &'a str,
    rest: &'a str,
}

impl<'a> Fence<'a> {
    fn at(line: &'a str) -> Option<Fence<'a>> {
        let (markers, line) = line.split_at(markers(line));
        let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let rest = line.trim_start_matches(mark);
        let marks = &line[..line.len() - rest.len()];
        let inline = mark == '`' && rest.contains(mark);
        (marks.len() >= 3 && !inline).then_some(Fence { markers, marks, rest })
    }

    /// Whether it ends what another has begun.
    fn ends(&self, open: &Fence<'_>) -> bool {
        self.marks.starts_with(open.marks) && self.rest.trim().is_empty()
    }

    /// A line that ends what it begins, in the same quote or item.
    fn end(&self) -> String {
        let markers = self.markers.replace(|c| !matches!(c, ' ' | '\t' | '>'), " ");
        markers + self.marks
    }
}

/// How many bytes of a line are blanks, and marks of quotes and of lists.
fn markers(line: &str) -> usize {
    let mut rest = line;
    loop {
        let inner = behind_list_mark(rest.trim_start_matches([' ', '\t', '>']));
        if inner.len() == rest.len() {
            return line.len() - rest.len();
        }
        rest = inner;
    }
}

/// What stands behind `-`, `*`, `+`, `1.` or `1)`, if that begins an item.
fn behind_list_mark(line: &str) -> &str {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest =
        if number.len() < line.len() { number.strip_prefix(['.', ')']) } else { line.strip_prefix(['-', '*', '+']) };
    rest.filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(line)
}

/// From how many columns on a line is code.
const CODE: usize = 4;

/// A line that is not indented as far as code is.
fn shallow(line: &str) -> String {
    let start = line.trim_start_matches([' ', '\t']);
    let blanks = line[..line.len() - start.len()].chars();
    let columns = blanks.fold(0, |columns, c| if c == '\t' { (columns / CODE + 1) * CODE } else { columns + 1 });
    if columns < CODE { line.to_owned() } else { format!("{:1$}{start}", "", CODE - 1) }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn code_is_text() {
        for (package, shown) in [
            ("a\n```wit\n    code\n```\n    b\n- c", "a\n```text\n    code\n```\n   b\n- c"),
            // A tab is as wide as what makes code.
            ("a\n\n\tb\n  \tc\n\t\td", "a\n\n   b\n   c\n   d"),
            ("> ```\n> code\n> ```\n> b", "> ```text\n> code\n> ```\n> b"),
            (
                "- ```\n  code\n  ```\n1. ~~~ wit\n   code\n   ~~~",
                "- ```text\n  code\n  ```\n1. ~~~text\n   code\n   ~~~",
            ),
            // What ends a block is what has begun it.
            ("~~~\n```\n    code\n~~~\n    b", "~~~text\n```\n    code\n~~~\n   b"),
            ("````\n```\n    code\n````\n    b", "````text\n```\n    code\n````\n   b"),
            ("```code``` in a line\n    b", "```code``` in a line\n   b"),
            ("```\ncode", "```text\ncode\n```"),
            ("> - ```\n>   code", "> - ```text\n>   code\n>   ```"),
        ] {
            assert_eq!(plain(package), shown);
        }
    }
}
