//! The table of a box's events: the levels, the names and the stored form.

/// Defines the events of each level from one table, and the form in which all of them are stored.
macro_rules! events {
    (
        $(#[$own_doc:meta])* Box($Own:ident) {
            $($(#[$own_about:meta])* $OwnName:ident = $own_stored:literal {
                $($(#[$own_field_about:meta])* $own_field:ident: $own_type:ty,)*
            })*
        }
        $($(#[$doc:meta])* $Level:ident($Event:ident) {
            $($(#[$about:meta])* $Name:ident = $stored:literal {
                $($(#[$field_about:meta])* $field:ident: $type:ty,)*
            })*
        })*
    ) => {
        named_events! {
            $(#[$own_doc])*
            #[derive(Debug, Clone, PartialEq)]
            $Own {
                $($(#[$own_about])* $OwnName = $own_stored { $($(#[$own_field_about])* $own_field: $own_type,)* })*
            }
        }

        $(
            named_events! {
                $(#[$doc])*
                #[derive(Debug, Clone, PartialEq)]
                $Event {
                    $($(#[$about])* $Name = $stored { $($(#[$field_about])* $field: $type,)* })*
                }
            }

            impl $Event {
                /// Returns the event as one of this room.
                pub fn in_room(self, room_id: RoomId) -> BoxEvent {
                    BoxEvent::$Level { room_id, event: self }
                }
            }
        )*

        impl BoxEvent {
            /// Every stored name; never rename.
            pub const TYPES: &'static [&'static str] = &[$($own_stored,)* $($($stored,)*)*];
        }

        /// The stored form. The serde names are stored; never rename.
        #[derive(Serialize, Deserialize)]
        #[serde(tag = "type", content = "data", rename = "BoxEvent")]
        enum Stored {
            $(#[serde(rename = $own_stored)] $OwnName { $($own_field: $own_type,)* },)*
            $($(#[serde(rename = $stored)] $Name { room_id: RoomId, $($field: $type,)* },)*)*
        }

        impl From<BoxEvent> for Stored {
            fn from(event: BoxEvent) -> Self {
                match event {
                    $(BoxEvent::Box($Own::$OwnName { $($own_field),* }) => Self::$OwnName { $($own_field),* },)*
                    $($(BoxEvent::$Level { room_id, event: $Event::$Name { $($field),* } } => {
                        Self::$Name { room_id, $($field),* }
                    })*)*
                }
            }
        }

        impl From<Stored> for BoxEvent {
            fn from(stored: Stored) -> Self {
                match stored {
                    $(Stored::$OwnName { $($own_field),* } => Self::Box($Own::$OwnName { $($own_field),* }),)*
                    $($(Stored::$Name { room_id, $($field),* } => {
                        Self::$Level { room_id, event: $Event::$Name { $($field),* } }
                    })*)*
                }
            }
        }
    };
}

pub(super) use events;
