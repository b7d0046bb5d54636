//! Who a service's account is, and who may do what in its folders.
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::fmt::Write;

/// The account that Windows itself makes for a service: it has no password, and it belongs to this service alone.
///
/// <https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-service-accounts#virtual-accounts>
pub fn account(service: &str) -> String {
    format!(r"NT SERVICE\{service}")
}

/// The security id of that account, which is known before there is a service: `S-1-5-80` and the SHA-1 of its name in capitals
/// (<https://learn.microsoft.com/openspecs/windows_protocols/ms-dtyp/81d92bba-d22b-4a8c-908a-554ab29148ab>, `SERVICE`).
pub fn account_id(service: &str) -> String {
    let name: Vec<u8> = service.to_uppercase().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &name);
    hash.as_ref().as_chunks::<4>().0.iter().fold("S-1-5-80".to_owned(), |mut id, part| {
        let _ = write!(id, "-{}", u32::from_le_bytes(*part));
        id
    })
}

/// What the service may do in a folder of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry {
    /// Pass through to what is below, whose rights are its own.
    Pass,
    /// Read it, and all below it.
    Read,
    /// Change it, and all below it; not its rights.
    Change,
}

/// A security descriptor in its text form: the system and its administrators may do everything, this service what it needs, and nobody else
/// anything, whatever the folder above allows.
///
/// <https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format>
pub fn rights_of(service: &str, may: Entry) -> String {
    // O: the owner may always change the rights, so it is the administrators, whoever made the folder. P: nothing is inherited.
    // OICI: inherited by the files and the folders in it. FA: all; 0x1200a9: read and execute; 0x1301bf: that, write, and delete.
    let (inherited, mask) = match may {
        Entry::Pass => ("", "0x1200a9"),
        Entry::Read => ("OICI", "0x1200a9"),
        Entry::Change => ("OICI", "0x1301bf"),
    };
    format!("O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;{inherited};{mask};;;{})", account_id(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_services_account_is_made_of_its_name() {
        // The best known of them, in any case of its letters.
        let id = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
        assert_eq!(account_id("TrustedInstaller"), id);
        assert_eq!(account_id("trustedinstaller"), id);
    }

    #[test]
    fn nobody_but_the_system_its_administrators_and_the_service_may_enter() {
        let id = account_id("x");
        for (may, entry) in [
            (Entry::Pass, "(A;;0x1200a9;;;"),
            (Entry::Read, "(A;OICI;0x1200a9;;;"),
            (Entry::Change, "(A;OICI;0x1301bf;;;"),
        ] {
            let rights = rights_of("x", may);
            assert!(rights.starts_with("O:BAD:P("), "{rights}");
            assert!(rights.ends_with(&format!("{entry}{id})")), "{rights}");
            assert_eq!(rights.matches('(').count(), 3, "{rights}");
        }
    }
}
