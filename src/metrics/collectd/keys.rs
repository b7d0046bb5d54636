//! Who may send, and by which password: the lines `user: password` of the file that collectd calls `AuthFile`.
//!
//! Passwords are turned into keys when they are read, and not kept. A signature or a checksum is compared in the same time
//! whether its first byte differs or its last. AES comes from a crate of its own, because what the rest of the program signs with
//! offers no single blocks; output feedback is the loop below.
use super::packet::IV;
use aes::{
    Aes256Enc,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use ring::{digest, hmac};
use std::collections::HashMap;

/// The SHA-1 checksum that begins the plain text.
const CHECKSUM: usize = digest::SHA1_OUTPUT_LEN;

/// Everybody whose packets can be checked.
#[derive(Default)]
pub(super) struct Users(HashMap<Box<[u8]>, Keys>);

impl Users {
    /// From the text of the file, and the number of the first line that is none of its form. Of a user who is there twice the last line counts.
    pub(super) fn read(text: &[u8]) -> (Self, Option<usize>) {
        let (mut users, mut wrong) = (HashMap::new(), None);
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let pair = line.iter().position(|byte| *byte == b':').map(|at| (&line[..at], &line[at + 1..]));
            match pair.map(|(user, password)| (user.trim_ascii(), password.trim_ascii())) {
                Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                    users.insert(user.into(), Keys::of(password));
                }
                _ => wrong = wrong.or(Some(index + 1)),
            }
        }
        (Self(users), wrong)
    }

    pub(super) fn keys(&self, user: &[u8]) -> Option<&Keys> {
        self.0.get(user)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a password opens.
pub(super) struct Keys {
    mac: hmac::Key,
    cipher: Aes256Enc,
}

impl Keys {
    fn of(password: &[u8]) -> Self {
        let mut key = [0; digest::SHA256_OUTPUT_LEN];
        key.copy_from_slice(digest::digest(&digest::SHA256, password).as_ref());
        Self { mac: hmac::Key::new(hmac::HMAC_SHA256, password), cipher: Aes256Enc::new(&key.into()) }
    }

    /// Whether this is the signature of that.
    pub(super) fn signs(&self, signed: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.mac, signed, mac).is_ok()
    }

    /// The parts that were encrypted with this key, in `plain`. `None`: not with this one, or they were changed on their way.
    pub(super) fn open<'b>(&self, iv: &[u8; IV], sealed: &[u8], plain: &'b mut Vec<u8>) -> Option<&'b [u8]> {
        plain.clear();
        plain.extend_from_slice(sealed);
        self.feed_back(*iv, plain);
        let (checksum, parts) = plain.split_at_checked(CHECKSUM)?;
        let found = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, parts);
        is_same(checksum, found.as_ref()).then_some(parts)
    }

    /// Output feedback: the key stream is the vector encrypted again and again. The same for both directions.
    fn feed_back(&self, iv: [u8; IV], text: &mut [u8]) {
        let mut stream = iv.into();
        for block in text.chunks_mut(IV) {
            self.cipher.encrypt_block(&mut stream);
            block.iter_mut().zip(&stream).for_each(|(byte, key)| *byte ^= key);
        }
    }
}

/// Looks at every byte, wherever the first difference is.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |two: &[u8]| u8::from_str_radix(str::from_utf8(two).expect("ASCII"), 16).expect("hexadecimal");
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn output_feedback_is_that_of_the_standard() {
        // NIST SP 800-38A, F.4.5: OFB-AES256.Encrypt.
        let mut keys = Keys::of(b"");
        let key = bytes("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        keys.cipher = Aes256Enc::new_from_slice(&key).expect("256 bits");
        let iv = bytes("000102030405060708090a0b0c0d0e0f").try_into().expect("a block");
        let mut text = bytes(
            "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710",
        );
        keys.feed_back(iv, &mut text);
        let expected = bytes(
            "dc7e84bfda79164b7ecd8486985d3860 4febdc6740d20b3ac88f6ad82a4fb08d 71ab47a086e86eedf39d1c5bba97c408 0126141d67f37be8538f5a8be740e484",
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn users_are_the_lines_of_the_file_and_what_is_none_is_told() {
        let (users, wrong) = Users::read(b"# a remark\n\n  alice : s:e cret \r\nbob:2\nbroken\nbob: 3\n: x\ncarol:\n");
        assert_eq!((users.len(), wrong), (2, Some(5)));
        let signs = |user: &[u8], password: &[u8]| {
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, password), b"text");
            users.keys(user).expect("known").signs(b"text", mac.as_ref())
        };
        assert!(signs(b"alice", b"s:e cret") && signs(b"bob", b"3") && !signs(b"bob", b"2"));
        assert!(users.keys(b"carol").is_none() && users.keys(b"").is_none());
        assert_eq!(Users::read(b"").1, None);
    }

    #[test]
    fn what_was_sealed_with_another_key_or_changed_does_not_open() {
        let (mine, theirs) = (Keys::of(b"mine"), Keys::of(b"theirs"));
        let parts = b"some parts of a packet";
        let mut sealed = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, parts).as_ref().to_vec();
        sealed.extend_from_slice(parts);
        mine.feed_back([7; IV], &mut sealed);
        let mut plain = vec![];
        assert_eq!(mine.open(&[7; IV], &sealed, &mut plain), Some(&parts[..]));
        assert_eq!(theirs.open(&[7; IV], &sealed, &mut plain), None);
        assert_eq!(mine.open(&[8; IV], &sealed, &mut plain), None);
        for length in 0..sealed.len() {
            assert_eq!(mine.open(&[7; IV], &sealed[..length], &mut plain), None);
            let mut changed = sealed.clone();
            changed[length] ^= 1;
            assert_eq!(mine.open(&[7; IV], &changed, &mut plain), None, "byte {length}");
        }
    }
}
