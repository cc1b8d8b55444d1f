//! A picture of a slot: which pages are stored, and which are known to be written. Values in, SVG out.
//!
//! Each part of the slot is a band of cells, and each cell is a page, or as many as it takes for the band to stay small.
//! Guards are not drawn: there is nothing in them.

use std::fmt::Write;
use std::ops::Range;

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Cells of a row, and rows of a band at most.
const COLUMNS: u64 = 64;
const ROWS: u64 = 32;
/// Sizes in the picture's units.
const CELL: u64 = 10;
const MARGIN: u64 = 20;
const LINE: u64 = 18;

/// What is to be drawn. All ranges are bytes of the slot.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot {
    /// What it is a slot of.
    pub(crate) title: String,
    /// Ascending, and apart.
    pub(crate) parts: Vec<Part>,
    /// What is stored in the artifact.
    pub(crate) stored: Vec<Range<u64>>,
    /// What is known to be written.
    pub(crate) written: Vec<Range<u64>>,
}

/// A part of a slot.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) offset: u64,
    /// Bytes that can be used from the start.
    pub(crate) bytes: u64,
    /// Bytes up to which it can grow.
    pub(crate) limit: u64,
}

impl Part {
    /// The part of the range that is in this one, however far it has grown.
    fn clip(&self, range: &Range<u64>) -> Range<u64> {
        let (start, end) = (self.offset, self.offset + self.limit);
        range.start.clamp(start, end)..range.end.clamp(start, end)
    }

    /// Bytes that are drawn: those that are there from the start, and as many more as are known to be written.
    fn drawn(&self, written: &[Range<u64>]) -> u64 {
        let ends = written.iter().map(|range| self.clip(range)).filter(|range| !range.is_empty());
        ends.map(|range| range.end - self.offset).fold(self.bytes, u64::max)
    }
}

/// A part as cells.
#[derive(Debug, PartialEq)]
struct Band {
    pages_per_cell: u64,
    cells: Vec<Cell>,
}

/// How many pages of a cell are what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cell {
    stored: u64,
    written: u64,
}

/// Cuts a part into cells.
fn band(part: &Part, slot: &Slot) -> Band {
    let pages = part.drawn(&slot.written).div_ceil(PAGE);
    let pages_per_cell = pages.div_ceil(COLUMNS * ROWS).max(1).next_power_of_two();
    let mut cells = vec![Cell::default(); pages.div_ceil(pages_per_cell) as usize];
    let mut count = |ranges: &[Range<u64>], add: fn(&mut Cell, u64)| {
        for range in ranges.iter().map(|range| part.clip(range)).filter(|range| !range.is_empty()) {
            let pages = (range.start - part.offset) / PAGE..(range.end - part.offset).div_ceil(PAGE).min(pages);
            let mut page = pages.start;
            while page < pages.end {
                let end = ((page / pages_per_cell + 1) * pages_per_cell).min(pages.end);
                add(&mut cells[(page / pages_per_cell) as usize], end - page);
                page = end;
            }
        }
    };
    count(&slot.stored, |cell, pages| cell.stored += pages);
    count(&slot.written, |cell, pages| cell.written += pages);
    Band { pages_per_cell, cells }
}

/// The picture.
pub(crate) fn svg(slot: &Slot) -> Result<String, std::fmt::Error> {
    let bands: Vec<_> = slot.parts.iter().map(|part| (part, band(part, slot))).collect();
    let height = |band: &Band| 2 * LINE + (band.cells.len() as u64).div_ceil(COLUMNS) * CELL;
    let width = 2 * MARGIN + COLUMNS * CELL;
    let all = 2 * MARGIN + 3 * LINE + bands.iter().map(|(_, band)| height(band)).sum::<u64>();
    let mut out = String::new();
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {all}" width="{width}" height="{all}" font-family="sans-serif" font-size="12">"##
    )?;
    writeln!(out, r##"<rect width="{width}" height="{all}" fill="#ffffff"/>"##)?;
    let mut top = MARGIN + LINE;
    writeln!(out, r#"<text x="{MARGIN}" y="{top}" font-weight="bold">{}</text>"#, escaped(&slot.title))?;
    legend(&mut out, top + LINE / 2)?;
    top += 2 * LINE;
    for (part, band) in &bands {
        draw(&mut out, part, band, top)?;
        top += height(band);
    }
    out.push_str("</svg>\n");
    Ok(out)
}

fn legend(out: &mut String, top: u64) -> std::fmt::Result {
    let samples = [
        ("zeros", Cell::default()),
        ("stored", Cell { stored: 1, written: 0 }),
        ("written", Cell { stored: 0, written: 1 }),
        ("stored and written", Cell { stored: 1, written: 1 }),
    ];
    for (at, (name, cell)) in samples.into_iter().enumerate() {
        let left = MARGIN + at as u64 * 100;
        square(out, left, top, 1, cell, 1, name)?;
        writeln!(out, r#"<text x="{}" y="{}">{name}</text>"#, left + CELL + 4, top + CELL)?;
    }
    Ok(())
}

/// A caption, and the cells, those that are alike and side by side as one.
fn draw(out: &mut String, part: &Part, band: &Band, top: u64) -> std::fmt::Result {
    let written: u64 = band.cells.iter().map(|cell| cell.written).sum();
    let caption = match band.cells.len() {
        0 => format!("{}: empty", part.name),
        _ => {
            let scale =
                if band.pages_per_cell == 1 { "1 page".into() } else { format!("{} pages", band.pages_per_cell) };
            format!(
                "{}: from {:#x}, {} bytes, {written} pages written; a cell is {scale}",
                part.name, part.offset, part.bytes
            )
        }
    };
    writeln!(out, r#"<text x="{MARGIN}" y="{}">{}</text>"#, top + LINE, escaped(&caption))?;
    let top = top + LINE + LINE / 3;
    for (row, cells) in band.cells.chunks(COLUMNS as usize).enumerate() {
        let mut column = 0;
        for same in cells.chunk_by(|a, b| a == b) {
            let first = (row as u64 * COLUMNS + column) * band.pages_per_cell * PAGE + part.offset;
            let end = first + same.len() as u64 * band.pages_per_cell * PAGE;
            let title = format!("{first:#x} to {end:#x}: {}", describe(same[0], band.pages_per_cell));
            let (left, y) = (MARGIN + column * CELL, top + row as u64 * CELL);
            square(out, left, y, same.len() as u64, same[0], band.pages_per_cell, &title)?;
            column += same.len() as u64;
        }
    }
    Ok(())
}

fn describe(cell: Cell, pages: u64) -> String {
    let Cell { stored, written } = cell;
    match pages {
        1 => match (stored > 0, written > 0) {
            (false, false) => "zeros".into(),
            (true, false) => "stored".into(),
            (false, true) => "written".into(),
            (true, true) => "stored and written".into(),
        },
        _ => format!("{stored} stored, {written} written of {pages} pages each"),
    }
}

/// As many cells side by side: grey for what is stored, red above it for what is written, the stronger the more of them.
fn square(out: &mut String, left: u64, top: u64, cells: u64, cell: Cell, pages: u64, title: &str) -> std::fmt::Result {
    let (width, side) = (cells * CELL - 1, CELL - 1);
    let share = |part: u64| (part.min(pages) as f64 / pages as f64).sqrt();
    write!(
        out,
        r##"<g><title>{title}</title><rect x="{left}" y="{top}" width="{width}" height="{side}" fill="#eceff1"/>"##
    )?;
    for (part, fill) in [(cell.stored, "#78909c"), (cell.written, "#e53935")] {
        if part > 0 {
            // The lower third of a cell stays what it is without the writes.
            let height = if fill == "#e53935" { side * 2 / 3 } else { side };
            let strength = share(part);
            write!(
                out,
                r#"<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="{fill}" fill-opacity="{strength:.2}"/>"#
            )?;
        }
    }
    out.push_str("</g>\n");
    Ok(())
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Not allowed in XML, however written.
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        let part = |name: &str, offset, pages, limit| Part {
            name: name.into(),
            offset: offset * PAGE,
            bytes: pages * PAGE,
            limit: limit * PAGE,
        };
        Slot {
            title: "a <b> & c".into(),
            parts: vec![part("state", 1, 2, 2), part("memory 0", 8, 100, 5000), part("memory 1", 9000, 0, 10)],
            stored: vec![PAGE..2 * PAGE, 8 * PAGE..12 * PAGE],
            written: vec![PAGE + 5..PAGE + 6, 10 * PAGE..11 * PAGE, 17 * PAGE..18 * PAGE],
        }
    }

    fn pages(ranges: impl IntoIterator<Item = Range<u64>>) -> Vec<Range<u64>> {
        ranges.into_iter().map(|pages| pages.start * PAGE..pages.end * PAGE).collect()
    }

    #[test]
    fn cells_count_the_pages_that_are_in_them() {
        let slot = slot();
        let of = |part: usize| band(&slot.parts[part], &slot);
        let cell = |stored, written| Cell { stored, written };
        assert_eq!(of(0), Band { pages_per_cell: 1, cells: vec![cell(1, 1), cell(0, 0)] });
        let memory = of(1);
        assert_eq!((memory.pages_per_cell, memory.cells.len()), (1, 100));
        assert_eq!(memory.cells[..5], [cell(1, 0), cell(1, 0), cell(1, 1), cell(1, 0), cell(0, 0)]);
        assert_eq!(memory.cells[9], cell(0, 1));
        assert_eq!(of(2).cells, []);
    }

    #[test]
    fn large_parts_have_cells_of_many_pages_and_lose_none() {
        let mut slot = slot();
        slot.parts[1].bytes = 4999 * PAGE;
        slot.written = pages([8..9, 11..18, 3000..3001, 5006..5008]);
        let band = band(&slot.parts[1], &slot);
        // The last page was not there from the start.
        assert_eq!((band.pages_per_cell, band.cells.len()), (4, 1250));
        assert_eq!(band.cells.iter().map(|cell| cell.written).sum::<u64>(), 1 + 7 + 1 + 2);
        assert_eq!([0, 1, 2].map(|at| band.cells[at].written), [2, 4, 2]);
        assert!(band.cells.len() as u64 <= COLUMNS * ROWS);
    }

    #[test]
    fn what_is_in_no_part_is_not_drawn() {
        let mut slot = slot();
        let before: Vec<_> = slot.parts.iter().map(|part| band(part, &slot)).collect();
        slot.written.push(6 * PAGE..8 * PAGE);
        slot.stored.push(5008 * PAGE..9000 * PAGE);
        let after: Vec<_> = slot.parts.iter().map(|part| band(part, &slot)).collect();
        assert_eq!(before, after);
    }

    #[test]
    fn the_picture_is_well_formed_and_says_what_is_there() {
        let picture = svg(&slot()).expect("a picture");
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        assert!(picture.contains("a &lt;b&gt; &amp; c"), "{picture}");
        for tag in ["g", "title", "text"] {
            let count = |what: String| picture.matches(&what).count();
            assert_eq!(count(format!("<{tag}>")) + count(format!("<{tag} ")), count(format!("</{tag}>")), "{tag}");
        }
        assert!(picture.contains("<title>0xa000 to 0xb000: stored and written</title>"), "{picture}");
        assert!(picture.contains("<title>0x11000 to 0x12000: written</title>"));
        assert!(picture.contains("memory 1: empty") && picture.contains("2 pages written"));
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
    }

    #[test]
    fn nothing_is_a_picture_too() {
        assert!(svg(&Slot::default()).expect("a picture").contains("</svg>"));
    }
}
