//! The audit log: reading it, and finding out whether anybody has touched it.
//!
//! Separate because it is only read here; what is written comes with the changes themselves.

use super::{Admin, Result};
use crate::store::{AuditAnchor, AuditEntry, AuditFilter, Message, chain};

/// What the verification of the audit log has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditVerified {
    /// Every link holds.
    Whole {
        /// How many entries were checked.
        checked: u64,
        /// Entries from before the log was chained, which nothing can be said of.
        unchained: u64,
        /// The newest entry: what to keep elsewhere, for the next verification to begin at.
        head: AuditAnchor,
    },
    /// Somebody has changed the log.
    Broken(Broken),
}

/// The first place at which the log does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The entry is not what its hash was made from, or its predecessor has changed.
    #[error("entry {seq} does not fit its hash or the entry before it")]
    Changed {
        /// Which.
        seq: i64,
    },
    /// Entries are missing.
    #[error("entry {seq} is missing")]
    Missing {
        /// The first of them.
        seq: i64,
    },
    /// The entry has no hash although earlier ones have.
    #[error("entry {seq} has no hash")]
    Unchained {
        /// Which.
        seq: i64,
    },
    /// The place to begin at is not in the log as it was written down.
    #[error("entry {seq} is not the one that was noted down")]
    OtherStart {
        /// Which.
        seq: i64,
    },
    /// The place to begin at has been removed by retention, so that nothing can be said.
    #[error("entry {seq} has been removed by `audit.keep`; the log begins after {anchor}")]
    Removed {
        /// Which.
        seq: i64,
        /// The last one that was removed.
        anchor: i64,
    },
}

impl Admin {
    /// The newest events of the audit log, newest first.
    pub async fn audit_entries(&self, limit: u32) -> Result<Vec<AuditEntry>> {
        Ok(self.store.audit_entries(limit).await?)
    }

    /// Events by filter, newest first.
    pub async fn audit_search(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
        Ok(self.store.audit_search(filter).await?)
    }

    /// Sign-ons and refused ones, newest first; those of before a place, and with a text, if wanted.
    pub async fn sign_ons(&self, text: Option<&str>, before: Option<i64>) -> Result<Vec<AuditEntry>> {
        let filter = AuditFilter {
            action_prefix: Some("sign_on.".to_owned()),
            text: text.map(str::to_owned),
            before,
            limit: SIGN_ONS_PAGE,
            ..AuditFilter::default()
        };
        self.audit_search(&filter).await
    }

    /// The event under a reference that a visitor was shown.
    pub async fn audit_by_reference(&self, reference: &str) -> Result<Option<AuditEntry>> {
        Ok(self.store.audit_by_reference(reference).await?)
    }

    /// Events after a place, oldest first, for export.
    pub async fn audit_after(&self, seq: i64) -> Result<Vec<AuditEntry>> {
        Ok(self.store.audit_after(seq, AUDIT_CHUNK).await?)
    }

    /// Walks through the whole log, or from a place that was noted down, and computes every hash anew.
    pub async fn verify_audit(&self, since: Option<AuditAnchor>) -> Result<AuditVerified> {
        let anchor = self.store.audit_anchor().await?;
        let mut walk = match self.start(anchor, since).await? {
            Ok(start) => Walk { head: start, checked: 0, unchained: 0 },
            Err(broken) => return Ok(AuditVerified::Broken(broken)),
        };
        loop {
            let entries = self.store.audit_after(walk.head.seq, AUDIT_CHUNK).await?;
            if entries.is_empty() {
                let Walk { head, checked, unchained } = walk;
                return Ok(AuditVerified::Whole { checked, unchained, head });
            }
            for entry in &entries {
                if let Err(broken) = walk.step(entry) {
                    return Ok(AuditVerified::Broken(broken));
                }
            }
        }
    }

    /// Where to begin: at the anchor, or at the entry that was noted down, which must still be there.
    async fn start(
        &self,
        anchor: AuditAnchor,
        since: Option<AuditAnchor>,
    ) -> Result<std::result::Result<AuditAnchor, Broken>> {
        let Some(since) = since else { return Ok(Ok(anchor)) };
        let seq = since.seq;
        if seq < anchor.seq {
            return Ok(Err(Broken::Removed { seq, anchor: anchor.seq }));
        }
        let found = if seq == anchor.seq {
            Some(anchor.hash)
        } else {
            let entries = self.store.audit_after(seq - 1, 1).await?;
            entries.into_iter().find(|entry| entry.seq == seq).and_then(|entry| entry.hash)
        };
        Ok(if found == Some(since.hash) { Ok(since) } else { Err(Broken::OtherStart { seq }) })
    }

    /// The newest messages of the outbox, newest first: those still waiting, or all.
    pub async fn messages(&self, only_waiting: bool) -> Result<Vec<Message>> {
        Ok(self.store.messages(only_waiting, None, MESSAGES_LISTED_MAX).await?)
    }

    /// A page of the outbox, the newest first, before a message if there is one; and whether there are more.
    pub async fn messages_before(&self, before: Option<i64>) -> Result<(Vec<Message>, bool)> {
        let mut messages = self.store.messages(false, before, MESSAGES_PAGE + 1).await?;
        let page = usize::try_from(MESSAGES_PAGE).unwrap_or(usize::MAX);
        let has_more = messages.len() > page;
        messages.truncate(page);
        Ok((messages, has_more))
    }

    /// One message, delivered or not.
    pub async fn message(&self, id: i64) -> Result<Option<Message>> {
        Ok(self.store.message(id).await?)
    }

    /// How many messages wait.
    pub async fn messages_waiting(&self) -> Result<u64> {
        Ok(self.store.mail_waiting().await?)
    }
}

/// How far the verification has come.
struct Walk {
    head: AuditAnchor,
    checked: u64,
    unchained: u64,
}

impl Walk {
    fn step(&mut self, entry: &AuditEntry) -> std::result::Result<(), Broken> {
        let seq = entry.seq;
        let Some(hash) = entry.hash else {
            // Only the oldest entries can be from before the log was chained; their places may have gaps.
            if self.checked > 0 || self.head.hash != chain::START {
                return Err(Broken::Unchained { seq });
            }
            self.head.seq = seq;
            self.unchained += 1;
            return Ok(());
        };
        if self.checked > 0 && seq != self.head.seq + 1 {
            return Err(Broken::Missing { seq: self.head.seq + 1 });
        }
        if chain::link(&self.head.hash, entry) != hash {
            return Err(Broken::Changed { seq });
        }
        self.head = AuditAnchor { seq, hash };
        self.checked += 1;
        Ok(())
    }
}

/// As many as fit on a page.
const SIGN_ONS_PAGE: u32 = 100;

/// Read at once, so that a log of any size needs little memory.
const AUDIT_CHUNK: u32 = 1_000;

/// As many as fit on two screens.
const MESSAGES_PAGE: u32 = 50;

/// As many as anybody reads.
const MESSAGES_LISTED_MAX: u32 = 500;
