//! Passwords for machines: 32 letters and digits, of which no shell, no JSON and no person copying them makes anything else.
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::SecretString;

/// What user pools of ours ask for, and more than anybody can guess: 190 bits.
const LENGTH: usize = 32;
const CHARACTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("this system gives no random bytes to make a password of")]
pub struct NoRandom;

/// A new one, with capital and small letters and digits in it, as password policies want it.
///
/// # Errors
/// When the system has no random bytes.
pub fn make() -> Result<SecretString, NoRandom> {
    let random = SystemRandom::new();
    loop {
        let mut password = String::with_capacity(LENGTH);
        while password.len() < LENGTH {
            let mut bytes = [0; LENGTH];
            random.fill(&mut bytes).map_err(|_| NoRandom)?;
            // Only what comes out evenly: 248 is the largest multiple of 62 in a byte.
            let even =
                bytes.iter().filter(|&&byte| byte < 248).map(|byte| char::from(CHARACTERS[usize::from(byte % 62)]));
            password.extend(even.take(LENGTH - password.len()));
        }
        let has = |kind: fn(&u8) -> bool| password.as_bytes().iter().any(kind);
        if has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit) {
            return Ok(password.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::collections::{BTreeMap, HashSet};

    #[test]
    fn passwords_have_32_characters_of_each_kind_and_are_never_the_same() {
        let made: Vec<_> = (0..500).map(|_| make().expect("random bytes")).collect();
        for password in &made {
            let password = password.expose_secret();
            assert_eq!(password.len(), 32);
            assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{password}");
            for kind in [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit] {
                assert!(password.as_bytes().iter().any(kind), "{password}");
            }
        }
        let different: HashSet<_> = made.iter().map(|password| password.expose_secret()).collect();
        assert_eq!(different.len(), made.len());
    }

    /// 16,000 characters: each of the 62 is expected 258 times, with a deviation of 16.
    #[test]
    fn each_character_comes_about_as_often_as_any_other() {
        let mut counts: BTreeMap<u8, u32> = BTreeMap::new();
        for _ in 0..500 {
            make()
                .expect("random bytes")
                .expose_secret()
                .bytes()
                .for_each(|byte| *counts.entry(byte).or_default() += 1);
        }
        assert_eq!(counts.len(), 62);
        assert!(counts.values().all(|&count| (130..400).contains(&count)), "{counts:?}");
    }
}
