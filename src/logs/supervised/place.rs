//! Where reading goes on, for each kind of log that is read by entries.
use crate::model::{Anchor, JournalPosition, Position, UnifiedPosition, WindowsPosition};

/// A position of one kind.
pub trait Place: Clone + Send {
    /// As it is saved.
    fn position(self) -> Position;

    /// One per event of a chunk.
    fn anchor(places: Vec<Self>) -> Anchor;

    /// The saved position, where it is one of this kind.
    fn of(position: Position) -> Option<Self>;

    /// Which item of the configuration it belongs to.
    fn item(&self) -> &str;
}

macro_rules! place {
    ($kind:ident, $variant:ident) => {
        impl Place for $kind {
            fn position(self) -> Position {
                Position::$variant(self)
            }

            fn anchor(places: Vec<Self>) -> Anchor {
                Anchor::$variant(places)
            }

            fn of(position: Position) -> Option<Self> {
                match position {
                    Position::$variant(place) => Some(place),
                    #[allow(unreachable_patterns, reason = "the kind itself stands above")]
                    Position::File(_)
                    | Position::Journal(_)
                    | Position::Windows(_)
                    | Position::Unified(_)
                    | Position::Unsaved => None,
                }
            }

            fn item(&self) -> &str {
                &self.item
            }
        }
    };
}

place!(JournalPosition, Journal);
place!(WindowsPosition, Windows);
place!(UnifiedPosition, Unified);
