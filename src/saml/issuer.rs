//! Who may stand as the issuer of a logout message of an identity provider.
//!
//! Separate because Microsoft Entra ID has two names for one tenant: assertions are issued by the entity ID, and
//! logout messages also by the other one.
//!
//! Rules: the name only says whose keys a message has to be signed with; a tenant is compared letter by letter,
//! and no name of one tenant is ever one of another.

use super::metadata::IdentityProvider;

impl IdentityProvider {
    /// Whether a logout message with this issuer can be one of this provider: its entity ID, or the other name of
    /// the same Entra tenant.
    #[must_use]
    pub fn issues_logout_as(&self, issuer: &str) -> bool {
        if issuer == self.entity_id() {
            return true;
        }
        tenant(self.entity_id()).is_some_and(|(own, _)| {
            // The names of a tenant have nothing behind it.
            tenant(issuer).is_some_and(|(other, rest)| own == other && rest.is_empty())
        })
    }
}

/// The tenant that an entity ID of Entra names, and what stands behind it: nothing, or an application's ID.
fn tenant(entity_id: &str) -> Option<(&str, &str)> {
    let (host, path) = entity_id.strip_prefix("https://")?.split_once('/')?;
    let (tenant, rest) = path.split_once('/')?;
    let is_guid =
        tenant.len() == GUID_OCTETS && tenant.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (HOSTS.contains(&host) && is_guid).then_some((tenant, rest))
}

/// Those of the worldwide cloud and of the national ones.
const HOSTS: &[&str] = &[
    "sts.windows.net",
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "sts.chinacloudapi.cn",
    "login.partner.microsoftonline.cn",
];
const GUID_OCTETS: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_read_from_its_names_and_from_nothing_else() {
        const ONE: &str = "3f2b6c1e-8d0a-4c57-9b7e-5a1d2c3e4f50";
        for (entity_id, rest) in [
            (format!("https://sts.windows.net/{ONE}/"), ""),
            (format!("https://login.microsoftonline.com/{ONE}/"), ""),
            (format!("https://sts.windows.net/{ONE}/app"), "app"),
        ] {
            assert_eq!(tenant(&entity_id), Some((ONE, rest)), "{entity_id}");
        }
        for other in [
            format!("https://sts.windows.net/{ONE}"),
            format!("http://sts.windows.net/{ONE}/"),
            format!("https://sts.windows.net.evil.example/{ONE}/"),
            format!("https://STS.windows.net/{ONE}/"),
            "https://sts.windows.net/common/".to_owned(),
            "https://sts.windows.net//".to_owned(),
            format!("https://idp.example/{ONE}/"),
            String::new(),
        ] {
            assert_eq!(tenant(&other), None, "{other}");
        }
    }
}
