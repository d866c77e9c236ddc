//! The fixed texts of a page, as a struct that its template reads.
//!
//! Separate so that each page lists its words once, in one place, and a second language is a second function.

/// Makes a struct of static texts and its function `english`.
macro_rules! texts {
    ($(#[$meta:meta])* $vis:vis $struct:ident { $($name:ident: $text:literal,)+ }) => {
        $(#[$meta])*
        $vis struct $struct { $($vis $name: &'static str,)+ }

        impl $struct {
            $vis const fn english() -> Self {
                Self { $($name: $text,)+ }
            }
        }
    };
}

pub(super) use texts;
