//! Tables in CSV (RFC 4180), as spreadsheets write them.
//!
//! Separate so that every import treats byte order marks, line ends, missing columns and the size alike.

use csv::{Position, ReaderBuilder, StringRecord, StringRecordsIter, Trim};

/// The largest file that is read.
pub const TABLE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Why a file is not a table that we can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Larger than [`TABLE_BYTES_MAX`].
    #[error("the file is larger than {} MB; import it in parts", TABLE_BYTES_MAX / (1024 * 1024))]
    TooLarge,
    /// Not text in UTF-8.
    #[error("line {line} is not text in UTF-8; save the file as \"CSV UTF-8\"")]
    Encoding {
        /// Where.
        line: u64,
    },
    /// The first line does not name the columns.
    #[error("the first line must name the columns, with commas between them: {expected}; found {found:?}")]
    Header {
        /// The columns that are needed.
        expected: String,
        /// What the line says, shortened.
        found: String,
    },
}

/// Which columns a table has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<const N: usize> {
    /// All names; rows have their fields in this order.
    pub(super) names: [&'static str; N],
    /// How many of them, from the first, must be there.
    pub(super) required: usize,
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row<const N: usize> {
    /// Where it begins in the file, from 1.
    pub(super) line: u64,
    /// The fields in the order of [`Columns::names`], without white space around them; empty where the table
    /// lacks an optional column. `None` if the line has another number of fields than the first.
    pub(super) fields: Option<[String; N]>,
}

/// Reads a whole table. Columns may stand in any order, and lines that are empty do not count.
pub(super) fn read<const N: usize>(octets: &[u8], columns: Columns<N>) -> Result<Vec<Row<N>>, Error> {
    if octets.len() > TABLE_BYTES_MAX {
        return Err(Error::TooLarge);
    }
    let octets = octets.strip_prefix(BYTE_ORDER_MARK).unwrap_or(octets);
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(octets);
    let mut records = reader.records();
    let mut lines = Lines { octets, at: 0, line: 1 };

    let (_, first) = next(&mut records, &mut lines)?.unwrap_or_default();
    let places = columns.places(&first)?;
    let mut rows = Vec::new();
    while let Some((line, record)) = next(&mut records, &mut lines)? {
        let fields = (record.len() == first.len()).then(|| {
            places.map(|place| place.and_then(|place| record.get(place)).unwrap_or_default().to_owned())
        });
        rows.push(Row { line, fields });
    }
    Ok(rows)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<const N: usize> Columns<N> {
    /// Where each column stands in the table.
    fn places(&self, first: &StringRecord) -> Result<[Option<usize>; N], Error> {
        let places = self.names.map(|name| first.iter().position(|found| found.eq_ignore_ascii_case(name)));
        let found = places.iter().flatten().count();
        // A column that is there twice, or that we do not know, counts too many.
        let complete = places.iter().take(self.required).all(Option::is_some) && found == first.len();
        if complete { Ok(places) } else { Err(self.header_error(first)) }
    }

    fn header_error(&self, first: &StringRecord) -> Error {
        let mut expected = self.names.iter().take(self.required).copied().collect::<Vec<_>>().join(",");
        for optional in self.names.iter().skip(self.required) {
            expected = format!("{expected}[,{optional}]");
        }
        let found = first.iter().collect::<Vec<_>>().join(",").chars().take(100).collect();
        Error::Header { expected, found }
    }
}

fn next(
    records: &mut StringRecordsIter<'_, &[u8]>,
    lines: &mut Lines<'_>,
) -> Result<Option<(u64, StringRecord)>, Error> {
    match records.next() {
        None => Ok(None),
        Some(Ok(record)) => Ok(Some((lines.line_of(record.position()), record))),
        // In memory and with any number of fields, only the encoding can be wrong.
        Some(Err(error)) => Err(Error::Encoding { line: lines.line_of(error.position()) }),
    }
}

/// Finds the line on which a record begins. The reader's own count stands still at the line ends before it.
struct Lines<'a> {
    octets: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn line_of(&mut self, position: Option<&Position>) -> u64 {
        let start = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(0);
        while let Some(octet) = self.octets.get(self.at) {
            let is_line_end = matches!(octet, b'\r' | b'\n');
            if self.at >= start && !is_line_end {
                break;
            }
            self.at += 1;
            let is_half = *octet == b'\r' && self.octets.get(self.at) == Some(&b'\n');
            self.line += u64::from(is_line_end && !is_half);
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns<3> = Columns { names: ["id", "name", "until"], required: 2 };

    fn fields(octets: &[u8]) -> Vec<(u64, Option<[String; 3]>)> {
        read(octets, COLUMNS).unwrap().into_iter().map(|row| (row.line, row.fields)).collect()
    }

    fn row(line: u64, fields: [&str; 3]) -> (u64, Option<[String; 3]>) {
        (line, Some(fields.map(str::to_owned)))
    }

    #[test]
    fn tables_are_read_as_spreadsheets_write_them() {
        for (octets, rows) in [
            (b"id,name\na,Maple Court\n".as_slice(), vec![row(2, ["a", "Maple Court", ""])]),
            (b"\xef\xbb\xbfid,name\r\na,\"Maple, Court\"\r\n", vec![row(2, ["a", "Maple, Court", ""])]),
            (b"Name, ID \n Maple Court , a ", vec![row(2, ["a", "Maple Court", ""])]),
            (
                b"id,name,until\na,x,2027-01-01\nb,y,\n",
                vec![row(2, ["a", "x", "2027-01-01"]), row(3, ["b", "y", ""])],
            ),
            (b"id,name\n\n\na,x\n", vec![row(4, ["a", "x", ""])]),
            (b"\r\n\r\nid,name\r\n\r\na,x\r\n\r\nb,x", vec![row(5, ["a", "x", ""]), row(7, ["b", "x", ""])]),
            (b"id,name\ra,x\rb,x\r", vec![row(2, ["a", "x", ""]), row(3, ["b", "x", ""])]),
            (
                b"id,name\na,\"two\nlines\"\nb,x\n",
                vec![row(2, ["a", "two\nlines", ""]), row(4, ["b", "x", ""])],
            ),
            (b"id,name\na\nb,x\nc,y,z\n", vec![(2, None), row(3, ["b", "x", ""]), (4, None)]),
            (b"id,name\n", vec![]),
        ] {
            assert_eq!(fields(octets), rows, "{}", String::from_utf8_lossy(octets));
        }
    }

    #[test]
    fn a_table_without_the_right_first_line_is_refused() {
        for octets in [
            b"".as_slice(),
            b"a,Maple Court\n",
            b"id;name\na;Maple Court\n",
            b"id\na\n",
            b"id,name,colour\n",
            b"id,name,id\n",
        ] {
            let Err(Error::Header { expected, .. }) = read(octets, COLUMNS) else {
                panic!("{}", String::from_utf8_lossy(octets));
            };
            assert_eq!(expected, "id,name[,until]");
        }
    }

    #[test]
    fn what_is_too_large_or_not_text_is_refused() {
        assert_eq!(read(&vec![b'\n'; TABLE_BYTES_MAX + 1], COLUMNS), Err(Error::TooLarge));
        assert_eq!(read(b"id,name\na,x\nb,\xff\n", COLUMNS), Err(Error::Encoding { line: 3 }));
    }
}
