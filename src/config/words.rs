//! Keys of which the value is one of a few words: each word stands once, beside what it means.

/// An enum and the words by which a configuration names its variants. The table of keys takes `WORDS`, readers ask `named`: a new
/// variant has a word, and both know it.
macro_rules! words {
    ($(#[$of_enum:meta])* pub enum $name:ident { $($(#[$of_word:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$of_enum])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $name {
            $($(#[$of_word])* $variant,)+
        }

        impl $name {
            /// All words, in the order in which messages list them.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word.
            #[allow(dead_code, reason = "most are only read")]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// What a word means.
            pub fn named(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub(super) use words;

#[cfg(test)]
mod tests {
    words! {
        pub enum Fruit {
            Apple = "apple",
            Pear = "pear",
        }
    }

    #[test]
    fn each_word_that_may_be_written_means_something() {
        assert_eq!(Fruit::WORDS, ["apple", "pear"]);
        assert_eq!(
            Fruit::WORDS.iter().copied().map(Fruit::named).collect::<Vec<_>>(),
            [Some(Fruit::Apple), Some(Fruit::Pear)]
        );
        assert_eq!(Fruit::named("Apple"), None);
        assert_eq!(Fruit::Pear.word(), "pear");
    }
}
