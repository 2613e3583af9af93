//! Enums of events whose variants have stored names.

/// Defines an enum of events and their stored names.
macro_rules! named_events {
    (
        $(#[$doc:meta])*
        $Event:ident {
            $($(#[$about:meta])* $Name:ident = $stored:literal {
                $($(#[$field_about:meta])* $field:ident: $type:ty,)*
            })*
        }
    ) => {
        $(#[$doc])*
        pub enum $Event {
            $($(#[$about])* $Name { $($(#[$field_about])* $field: $type,)* },)*
        }

        impl $Event {
            /// Every stored name; never rename.
            pub const TYPES: &'static [&'static str] = &[$($stored,)*];

            /// The stored name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$Name { .. } => $stored,)*
                }
            }
        }
    };
}

pub(crate) use named_events;
