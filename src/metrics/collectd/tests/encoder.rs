//! Writes packets from the description of the protocol, with nothing of what reads them.
//! <https://collectd.org/wiki/index.php/Binary_protocol>
use crate::metrics::collectd::packet::Value;
use aes::{
    Aes256Enc,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use ring::{digest, hmac};

/// A packet that grows.
#[derive(Clone, Default)]
pub(super) struct Packet(Vec<u8>);

impl Packet {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// With these bytes already in it.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn done(&self) -> Vec<u8> {
        self.0.clone()
    }

    pub(super) fn raw(mut self, kind: u16, content: &[u8]) -> Self {
        let length = u16::try_from(content.len() + 4).expect("fits");
        self.0.extend(kind.to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(content);
        self
    }

    fn text(self, kind: u16, text: &str) -> Self {
        self.raw(kind, &[text.as_bytes(), &[0]].concat())
    }

    pub(super) fn host(self, text: &str) -> Self {
        self.text(0, text)
    }

    pub(super) fn plugin(self, text: &str) -> Self {
        self.text(2, text)
    }

    pub(super) fn plugin_instance(self, text: &str) -> Self {
        self.text(3, text)
    }

    pub(super) fn kind(self, text: &str) -> Self {
        self.text(4, text)
    }

    pub(super) fn type_instance(self, text: &str) -> Self {
        self.text(5, text)
    }

    pub(super) fn time(self, seconds: u64) -> Self {
        self.raw(1, &seconds.to_be_bytes())
    }

    pub(super) fn time_hr(self, seconds: f64) -> Self {
        self.raw(8, &ticks(seconds).to_be_bytes())
    }

    pub(super) fn interval_hr(self, seconds: f64) -> Self {
        self.raw(9, &ticks(seconds).to_be_bytes())
    }

    pub(super) fn values(self, values: &[Value]) -> Self {
        let mut content = u16::try_from(values.len()).expect("few").to_be_bytes().to_vec();
        content.extend(values.iter().map(|value| match value {
            Value::Counter(_) => 0,
            Value::Gauge(_) => 1,
            Value::Derive(_) => 2,
            Value::Absolute(_) => 3,
        }));
        for value in values {
            content.extend(match value {
                Value::Counter(n) | Value::Absolute(n) => n.to_be_bytes(),
                Value::Gauge(n) => n.to_le_bytes(),
                Value::Derive(n) => n.to_be_bytes(),
            });
        }
        self.raw(6, &content)
    }

    /// Everything behind a signature.
    pub(super) fn signed(&self, user: &str, password: &str) -> Vec<u8> {
        let signed = [user.as_bytes(), &self.0].concat();
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, password.as_bytes()), &signed);
        let head = Self::new().raw(0x0200, &[mac.as_ref(), user.as_bytes()].concat());
        [head.0, self.0.clone()].concat()
    }

    /// Everything in an encrypted part.
    pub(super) fn sealed(&self, user: &str, password: &str, iv: [u8; 16]) -> Vec<u8> {
        let key: [u8; 32] = digest::digest(&digest::SHA256, password.as_bytes()).as_ref().try_into().expect("256 bits");
        let checksum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let mut text = [checksum.as_ref(), &self.0].concat();
        let cipher = Aes256Enc::new(&key.into());
        let (mut stream, mut used) = (iv.into(), 16);
        for byte in &mut text {
            if used == 16 {
                cipher.encrypt_block(&mut stream);
                used = 0;
            }
            *byte ^= stream[used];
            used += 1;
        }
        let length = u16::try_from(user.len()).expect("short").to_be_bytes();
        Self::new().raw(0x0210, &[&length, user.as_bytes(), &iv, &text].concat()).0
    }
}

fn ticks(seconds: f64) -> u64 {
    (seconds * f64::from(1 << 30)) as u64
}
