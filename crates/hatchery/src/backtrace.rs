//! Where a guest was.

use hatchery_image::Shown;
use std::fmt;

/// One frame of a guest's stack, innermost first in [`Error::backtrace`](crate::Error::backtrace).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub(crate) instance: Option<Box<str>>,
    pub(crate) function: u32,
    pub(crate) name: Option<Box<str>>,
    pub(crate) offset: Option<u32>,
}

impl Frame {
    pub(crate) fn new(frame: &hatchery_vm::Frame) -> Frame {
        let instance = frame.image().instances().get(frame.instance().index());
        Frame {
            instance: instance.and_then(|instance| instance.name).map(Into::into),
            function: frame.index(),
            name: frame.name().map(Into::into),
            offset: frame.wasm_offset(),
        }
    }

    /// Module and function, as a backtrace has them: Rust's names as they were in the source, and no name with control
    /// characters, as guests choose them.
    pub fn place(&self) -> String {
        let module = Shown(self.module().unwrap_or("<unknown>"));
        match self.name() {
            Some(name) => format!("{module}!{}", Shown(&rustc_demangle::demangle(name).to_string())),
            None => format!("{module}!<wasm function {}>", self.function),
        }
    }

    /// The name of the module, where it has one.
    pub fn module(&self) -> Option<&str> {
        self.instance.as_deref()
    }

    /// The function's index in its module.
    pub fn function(&self) -> u32 {
        self.function
    }

    /// The function's name as the module's name section has it, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Offset of the instruction in the module's binary.
    pub fn offset(&self) -> Option<u32> {
        self.offset
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{offset:#8x}: ")?,
            None => f.write_str("       ?: ")?,
        }
        f.write_str(&self.place())
    }
}

/// The frames, a line each, behind a line that says what they are; and whether there were more.
pub(crate) fn write_backtrace(f: &mut fmt::Formatter<'_>, frames: &[Frame], truncated: bool) -> fmt::Result {
    if !frames.is_empty() {
        f.write_str("\nwasm backtrace:")?;
    }
    frames.iter().enumerate().try_for_each(|(i, frame)| write!(f, "\n{i:5}: {frame}"))?;
    if truncated { f.write_str("\n       ... more frames further out") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_hostile_guests_are_one_line_without_control_characters() {
        let name = Some("\u{1b}[2J\n    0: fake".into());
        let frame = Frame { instance: Some("m\u{7}".into()), function: 3, name, offset: None };
        assert_eq!(frame.place(), r"m\u{7}!\u{1b}[2J\n    0: fake");
        assert!(!frame.to_string().contains(char::is_control));
    }
}
