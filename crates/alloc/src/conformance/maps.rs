//! What the kernel says about a range of address space: the judge of protections.

use core::ops::Range;

/// A stretch of address space with one protection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) range: Range<usize>,
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) execute: bool,
}

/// The parts of `range` that are mapped, in order.
///
/// The kernel's list is no snapshot: while other threads map and unmap what lies beside the range, a part can be
/// missing from it. So it is read until it says the same twice.
pub(super) fn stretches(range: Range<usize>) -> Vec<Stretch> {
    let mut last = read(range.clone());
    loop {
        let again = read(range.clone());
        if again == last {
            return last;
        }
        last = again;
    }
}

fn read(range: Range<usize>) -> Vec<Stretch> {
    let text = std::fs::read_to_string("/proc/self/maps").expect("the kernel lists mappings");
    let overlap = |stretch: Stretch| {
        let (start, end) = (stretch.range.start.max(range.start), stretch.range.end.min(range.end));
        (start < end).then_some(Stretch { range: start..end, ..stretch })
    };
    text.lines().map(parse).filter_map(overlap).collect()
}

fn parse(line: &str) -> Stretch {
    let mut fields = line.split(' ');
    let (start, end) = fields.next().and_then(|field| field.split_once('-')).expect("a range");
    let flags = fields.next().expect("flags").as_bytes();
    let hex = |digits| usize::from_str_radix(digits, 16).expect("a hexadecimal address");
    Stretch { range: hex(start)..hex(end), read: flags[0] == b'r', write: flags[1] == b'w', execute: flags[2] == b'x' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_understood() {
        let stretch = parse("7f00001000-7f00003000 rw-p 00000000 00:00 0 [heap]");
        assert_eq!(stretch, Stretch { range: 0x7f_0000_1000..0x7f_0000_3000, read: true, write: true, execute: false });
    }
}
