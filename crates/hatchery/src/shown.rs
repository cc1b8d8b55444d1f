//! Names that guests chose, in what a host prints.

use std::fmt;

/// Shows a name that a guest chose (of an import, an export, a function) with control characters escaped: it is one line, and
/// tells a terminal nothing. Messages of this crate show names like this.
///
/// ```
/// use hatchery::Shown;
///
/// assert_eq!(Shown("run\u{1b}[2J\n").to_string(), r"run\u{1b}[2J\n");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hatchery_image::Shown(self.0).fmt(f)
    }
}
