//! Aligned columns for people.
use std::io::{self, Write};

/// Columns as wide as their widest cell, two spaces between; `numbers` are set to the right.
pub fn table<const N: usize, const M: usize>(
    out: &mut dyn Write,
    headings: [&str; N],
    numbers: [usize; M],
    rows: Vec<[String; N]>,
) -> io::Result<()> {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let headings = headings.map(String::from);
    for row in std::iter::once(&headings).chain(&rows) {
        let cells = row.iter().zip(widths).enumerate().map(|(i, (cell, width))| {
            if numbers.contains(&i) { format!("{cell:>width$}") } else { format!("{cell:width$}") }
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
