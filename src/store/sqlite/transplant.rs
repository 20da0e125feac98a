//! Giving a database whose list of tables is damaged the list of a new one.
//!
//! A board that was made by this program has its tables where a new one has them: they are made in one go, in one order. So
//! the pages of the list, which begin with the first page of the file, can be taken from a new database. Where that is not
//! so, rows come out of the wrong tables and are refused by the checks of the right ones.
//!
//! The layout of pages: <https://www.sqlite.org/fileformat2.html>.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The file header, which stands before the first page's own.
const HEADER: usize = 100;
/// A page of a table that points at others,
const INTERIOR: u8 = 0x05;
/// whose header is so long, in bytes.
const INTERIOR_HEADER: usize = 12;
/// Where the header says how many pages there are,
const PAGES: usize = 28;
/// and which of them are free: a page and a number.
const FREE: usize = 32;

/// Writes the donor's list of tables over the patient's. Both have pages of one size, else an error.
pub(super) fn transplant(donor: &Path, patient: &Path) -> io::Result<()> {
    let from = File::open(donor)?;
    let into = File::options().read(true).write(true).open(patient)?;
    let size = page_size(&from)?;
    let long = usize::try_from(into.metadata()?.len()).unwrap_or(usize::MAX);
    let count = u32::try_from(long / size).unwrap_or(u32::MAX);
    let mut todo = vec![1_u32];
    while let Some(number) = todo.pop() {
        let mut page = vec![0; size];
        from.read_exact_at(&mut page, offset(number, size))?;
        let begin = if number == 1 { HEADER } else { 0 };
        if page[begin] == INTERIOR {
            todo.extend(children(&page, begin));
        }
        if number == 1 {
            page[PAGES..PAGES + 4].copy_from_slice(&count.to_be_bytes());
            page[FREE..FREE + 8].fill(0);
        }
        into.write_all_at(&page, offset(number, size))?;
    }
    into.sync_all()
}

/// The size of the pages of a database, in bytes.
pub(super) fn page_size(file: &File) -> io::Result<usize> {
    let mut field = [0; 2];
    file.read_exact_at(&mut field, 16)?;
    Ok(match u16::from_be_bytes(field) {
        // 65,536 does not fit into two bytes.
        1 => 65_536,
        size => usize::from(size).max(512),
    })
}

fn offset(number: u32, size: usize) -> u64 {
    u64::from(number.saturating_sub(1)) * size as u64
}

/// The pages that an interior page points at.
fn children(page: &[u8], begin: usize) -> Vec<u32> {
    let place = |at: usize| pair(page, at).unwrap_or(0);
    let cells = (0..place(begin + 3)).filter_map(|cell| word(page, place(begin + INTERIOR_HEADER + 2 * cell)));
    cells.chain(word(page, begin + 8)).filter(|page| *page > 1).collect()
}

/// Two bytes of a page as a number.
pub(super) fn pair(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 2).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]])))
}

/// Four bytes of a page as a number.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}
