//! What the firmware of a Raspberry Pi says about its power and heat.
//!
//! Asked is what `vcgencmd get_throttled` asks, with the same message (tag `GET_GENCMD_RESULT`) to the same device, `/dev/vcio`:
//! <https://www.raspberrypi.com/documentation/computers/os.html#get_throttled>. Its owner is root, its group `video`.
//!
//! Not asked are two other ways. The property `GET_THROTTLED` of the mailbox, and the attribute `get_throttled` of `/sys` that is
//! made of it: the kernel asks that every two seconds and clears what has occurred (`drivers/hwmon/raspberrypi-hwmon.c`), so it
//! would have forgotten most; and since Linux 4.19 whoever reads the attribute has the kernel write a warning with a stack trace.
//! It is read only where there is nothing else. Where the device may not be opened, the kernel's own alarm (the chip `rpi_volt`)
//! still tells of the voltage.
use super::attributes;
use std::{io, path::Path};

/// What is known of the conditions. Bits are those of `get_throttled`: 0 to 3 now, 16 to 19 at any time since the start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Throttled {
    /// Set where the condition holds.
    pub bits: u32,
    /// Set where `bits` tells something.
    pub known: u32,
}

/// The supply voltage is below 4.63 V.
pub const UNDER_VOLTAGE: u32 = 0;
/// The frequency of the processor is limited.
pub const FREQUENCY_CAPPED: u32 = 1;
/// The processor is slowed down.
pub const THROTTLED: u32 = 2;
/// The soft temperature limit is reached (60 degrees Celsius on a Pi 3 B+; later models have none).
pub const SOFT_TEMPERATURE_LIMIT: u32 = 3;
/// From a condition of now to that it has occurred since the start.
pub const OCCURRED: u32 = 16;

/// All that the firmware tells.
const ALL: u32 = 0xf_000f;
/// Where what has occurred is not told, or was cleared.
const NOW: u32 = 0xf;

impl Throttled {
    /// Whether the condition of this bit holds; `None` where that is not known.
    pub fn is(self, bit: u32) -> Option<bool> {
        (self.known >> bit & 1 == 1).then(|| self.bits >> bit & 1 == 1)
    }
}

/// Where it was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Everything is known.
    Firmware,
    /// Only the voltage is known, since `/dev/vcio` is not there or may not be opened.
    Alarm,
    /// Only what holds now is known.
    Attribute,
}

/// What holds now and what has occurred. `None`: this is no Raspberry Pi.
///
/// # Errors
/// When there is `/dev/vcio` but no answer, and nothing else to read.
pub fn throttled(sys: &Path, vcio: &Path) -> io::Result<Option<(Source, Throttled)>> {
    let refused = match imp::get_throttled(vcio) {
        Ok(answer) => match parse(&answer) {
            Some(bits) => return Ok(Some((Source::Firmware, Throttled { bits, known: ALL }))),
            None => Some(io::Error::new(io::ErrorKind::InvalidData, format!("the firmware answered {answer:?}"))),
        },
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::Unsupported) => None,
        Err(error) => Some(error),
    };
    let without =
        alarm(sys).map(|now| (Source::Alarm, now)).or_else(|| attribute(sys).map(|now| (Source::Attribute, now)));
    match (without, refused) {
        (None, Some(refused)) => Err(refused),
        (without, _) => Ok(without),
    }
}

/// `throttled=0x50005`, as `vcgencmd` prints it.
fn parse(answer: &str) -> Option<u32> {
    attributes::parse_hexadecimal(answer.trim_end_matches(['\0', '\n']).strip_prefix("throttled=")?)
}

/// The alarm of the voltage: <https://docs.kernel.org/hwmon/raspberrypi-hwmon.html>.
fn alarm(sys: &Path) -> Option<Throttled> {
    let class = sys.join("class/hwmon");
    let is_it = |chip: &String| attributes::text(&class.join(chip).join("name")).as_deref() == Some("rpi_volt");
    let chip = attributes::names(&class).ok()?.into_iter().find(is_it)?;
    let alarm: u32 = attributes::number(&class.join(chip).join("in0_lcrit_alarm"))?;
    Some(Throttled { bits: u32::from(alarm != 0) << UNDER_VOLTAGE, known: 1 << UNDER_VOLTAGE })
}

/// The attribute of the firmware's device, whose name differs between models.
fn attribute(sys: &Path) -> Option<Throttled> {
    let driver = sys.join("bus/platform/drivers/raspberrypi-firmware");
    let of = |device: String| attributes::hexadecimal(&driver.join(device).join("get_throttled"));
    let bits = attributes::names(&driver).ok()?.into_iter().find_map(of)?;
    Some(Throttled { bits, known: NOW })
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod imp {
    use std::{fs::File, io, os::fd::AsRawFd, path::Path};

    /// Longest text of a question or an answer, in bytes: the most that the firmware takes and `vcgencmd` has room for.
    const TEXT: usize = 1024;
    const HEAD: usize = 6;
    /// Length of the message, 0 for a question, tag, room for the answer, its length, error; the text; 0 for the last tag.
    const WORDS: usize = HEAD + TEXT / 4 + 1;
    /// <https://github.com/raspberrypi/firmware/wiki/Mailbox-property-interface>, `GET_GENCMD_RESULT` of
    /// `include/soc/bcm2835/raspberrypi-firmware.h`.
    const TAG: u32 = 0x0003_0080;
    const QUESTION: &[u8] = b"get_throttled";
    /// Of the driver of `/dev/vcio`, which is the Foundation's: `_IOWR(100, 0, char *)`.
    const REQUEST: u32 = 3 << 30 | (size_of::<*mut u8>() as u32) << 16 | 100 << 8;

    pub fn get_throttled(vcio: &Path) -> io::Result<String> {
        let device = File::open(vcio)?;
        let mut message = question();
        // SAFETY: the driver reads the length of the message from its first word, and copies that much in and out again
        // (`vcio_user_property_list`, `drivers/char/broadcom/vcio.c`): it is the length of `message`, which outlives the call. On
        // another device than that one, the request is not known: nothing is written.
        let answer = unsafe { libc::ioctl(device.as_raw_fd(), REQUEST as _, message.as_mut_ptr()) };
        if answer < 0 {
            return Err(io::Error::last_os_error());
        }
        said(&message)
    }

    pub fn question() -> [u32; WORDS] {
        let mut message = [0; WORDS];
        message[0] = size_of_val(&message) as u32;
        message[2] = TAG;
        message[3] = TEXT as u32;
        for (word, bytes) in message[HEAD..].iter_mut().zip(QUESTION.chunks(4)) {
            let mut four = [0; 4];
            four[..bytes.len()].copy_from_slice(bytes);
            *word = u32::from_ne_bytes(four);
        }
        message
    }

    /// The text of the answer, up to its first zero.
    pub fn said(message: &[u32; WORDS]) -> io::Result<String> {
        if message[5] != 0 {
            return Err(io::Error::other(format!("the firmware refused the question: error {}", message[5])));
        }
        let bytes = message[HEAD..WORDS - 1].iter().flat_map(|word| word.to_ne_bytes()).take_while(|b| *b != 0);
        Ok(String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_message_is_the_one_of_vcgencmd() {
            let mut message = question();
            assert_eq!(message[..6], [1052, 0, 0x30080, 1024, 0, 0]);
            assert_eq!(said(&message).expect("our own words"), "get_throttled");
            message[6..11]
                .copy_from_slice(&[b"thro", b"ttle", b"d=0x", b"5000", b"5\0xx"].map(|b| u32::from_ne_bytes(*b)));
            assert_eq!(said(&message).expect("an answer"), "throttled=0x50005");
            message[5] = 2;
            assert!(said(&message).expect_err("refused").to_string().contains("error 2"));
        }

        #[test]
        fn an_answer_without_an_end_ends_with_its_room() {
            let mut message = question();
            message[6..].fill(u32::MAX);
            assert_eq!(said(&message).expect("no error").chars().count(), TEXT);
        }

        #[test]
        fn a_file_that_is_not_the_device_is_an_error() {
            assert!(get_throttled(Path::new("/dev/null")).is_err());
            let missing = get_throttled(Path::new("/nowhere")).expect_err("missing");
            assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::{io, path::Path};

    pub fn get_throttled(_: &Path) -> io::Result<String> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::trees, *};

    fn without_device(tree: &str) -> Option<(Source, Throttled)> {
        let tree = trees::plant(tree);
        throttled(tree.path(), Path::new("/nowhere")).expect("nothing refused")
    }

    #[test]
    fn the_answer_is_understood_and_nothing_else() {
        assert_eq!((parse("throttled=0x50005"), parse("throttled=0x0\n")), (Some(0x5_0005), Some(0)));
        for bad in ["", "throttled=", "0x50005", "error=1 error_msg=\"Command not registered\"", "throttled=0xg"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn each_condition_is_a_bit_now_and_one_since_the_start() {
        let all = Throttled { bits: 0x5_0004, known: ALL };
        assert_eq!((all.is(THROTTLED), all.is(UNDER_VOLTAGE)), (Some(true), Some(false)));
        assert_eq!((all.is(UNDER_VOLTAGE + OCCURRED), all.is(FREQUENCY_CAPPED + OCCURRED)), (Some(true), Some(false)));
        assert_eq!(all.is(SOFT_TEMPERATURE_LIMIT + OCCURRED), Some(false));
    }

    #[test]
    fn without_the_device_the_kernels_alarm_tells_of_the_voltage_alone() {
        let (source, now) = without_device(trees::RASPBERRY_PI_5).expect("a Raspberry Pi");
        assert_eq!((source, now.is(UNDER_VOLTAGE), now.is(THROTTLED)), (Source::Alarm, Some(true), None));
        assert_eq!(now.is(UNDER_VOLTAGE + OCCURRED), None);
        let (_, now) = without_device(trees::RASPBERRY_PI_4).expect("a Raspberry Pi");
        assert_eq!(now.is(UNDER_VOLTAGE), Some(false));
    }

    #[test]
    fn the_attribute_is_the_last_choice_and_tells_what_holds_now() {
        let at = "bus/platform/drivers/raspberrypi-firmware/soc-firmware/get_throttled";
        let (source, now) = without_device(&format!("{at} = 50005")).expect("a Raspberry Pi");
        assert_eq!(
            (source, now.is(UNDER_VOLTAGE), now.is(FREQUENCY_CAPPED)),
            (Source::Attribute, Some(true), Some(false))
        );
        assert_eq!(now.is(UNDER_VOLTAGE + OCCURRED), None);
        assert_eq!(without_device(&format!("{at} = hot")), None);
    }

    #[test]
    fn another_machine_is_no_raspberry_pi() {
        for tree in [trees::LAPTOP, trees::EC2_NITRO] {
            assert_eq!(without_device(tree), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_that_does_not_answer_is_an_error_unless_something_else_does() {
        let pi = trees::plant(trees::RASPBERRY_PI_4);
        let null = Path::new("/dev/null");
        assert_eq!(throttled(pi.path(), null).expect("the alarm").map(|(source, _)| source), Some(Source::Alarm));
        let other = trees::plant(trees::LAPTOP);
        assert!(throttled(other.path(), null).is_err());
    }
}
