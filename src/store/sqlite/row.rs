//! From columns to values, with an error that names the column.
//!
//! Separate so that a row that Anteroom cannot have written is refused in one way everywhere, and never becomes
//! a value that skipped its own `parse`.

use std::result;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, Type};

use crate::store::{Error, Result};

/// A row of a query over a table.
#[derive(Clone, Copy)]
pub(super) struct Row<'r> {
    row: &'r SqliteRow,
    table: &'static str,
}

impl<'r> Row<'r> {
    /// A row whose errors name that table.
    pub(super) const fn of(table: &'static str, row: &'r SqliteRow) -> Self {
        Self { row, table }
    }

    /// The same row of a join, for the columns of another table.
    pub(super) const fn table(self, table: &'static str) -> Self {
        Self { row: self.row, table }
    }

    /// The value as the database has it.
    pub(super) fn raw<T>(self, column: &'static str) -> Result<T>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.row.try_get(column).map_err(|_| self.invalid(column))
    }

    /// Text that a domain type reads.
    pub(super) fn parsed<T, E>(
        self,
        column: &'static str,
        parse: fn(&str) -> result::Result<T, E>,
    ) -> Result<T> {
        parse(self.raw::<&str>(column)?).map_err(|_| self.invalid(column))
    }

    /// Text, if there is any, that a domain type reads.
    pub(super) fn parsed_if_any<T, E>(
        self,
        column: &'static str,
        parse: fn(&str) -> result::Result<T, E>,
    ) -> Result<Option<T>> {
        let text = self.raw::<Option<&str>>(column)?;
        text.map(parse).transpose().map_err(|_| self.invalid(column))
    }

    /// A name from a closed list.
    pub(super) fn named<T>(self, column: &'static str, parse: fn(&str) -> Option<T>) -> Result<T> {
        parse(self.raw::<&str>(column)?).ok_or_else(|| self.invalid(column))
    }

    /// A moment.
    pub(super) fn time(self, column: &'static str) -> Result<Timestamp> {
        Timestamp::from_millisecond(self.raw(column)?).map_err(|_| self.invalid(column))
    }

    /// A moment, if there is one.
    pub(super) fn time_if_any(self, column: &'static str) -> Result<Option<Timestamp>> {
        let millis = self.raw::<Option<i64>>(column)?;
        millis.map(Timestamp::from_millisecond).transpose().map_err(|_| self.invalid(column))
    }

    /// 32 octets.
    pub(super) fn hash(self, column: &'static str) -> Result<[u8; 32]> {
        self.raw::<&[u8]>(column)?.try_into().map_err(|_| self.invalid(column))
    }

    /// A value kept as JSON.
    pub(super) fn json<T: serde::de::DeserializeOwned>(self, column: &'static str) -> Result<T> {
        serde_json::from_str(self.raw(column)?).map_err(|_| self.invalid(column))
    }

    /// A value kept as JSON, if there is one.
    pub(super) fn json_if_any<T: serde::de::DeserializeOwned>(
        self,
        column: &'static str,
    ) -> Result<Option<T>> {
        let text = self.raw::<Option<&str>>(column)?;
        text.map(serde_json::from_str).transpose().map_err(|_| self.invalid(column))
    }

    /// A number of rows.
    pub(super) fn count(self, column: &'static str) -> Result<u64> {
        u64::try_from(self.raw::<i64>(column)?).map_err(|_| self.invalid(column))
    }

    /// That the column cannot be understood.
    pub(super) const fn invalid(self, column: &'static str) -> Error {
        Error::Inconsistent { table: self.table, column }
    }
}
