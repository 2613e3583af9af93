//! Invented names and conversations of the sample data.

/// The details of a box.
pub(super) struct Install {
    pub(super) box_id: String,
    pub(super) zip_code: &'static str,
    pub(super) address: String,
    pub(super) detail: &'static str,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

/// Id, name, zip code, category.
pub(super) type Store = (&'static str, &'static str, &'static str, &'static str);

/// Id and nickname.
pub(super) type User = (&'static str, &'static str);

/// A room with its members and messages.
pub(super) struct Room {
    pub(super) box_id: &'static str,
    pub(super) store_id: &'static str,
    pub(super) title: &'static str,
    pub(super) max_members: u32,
    pub(super) host: &'static str,
    pub(super) guests: Vec<&'static str>,
    pub(super) lines: Vec<Line>,
}

/// Author and text of a message.
pub(super) struct Line(pub(super) &'static str, pub(super) &'static str);

/// Zip code, id prefix, street and coordinates of each quarter.
const QUARTERS: [(&str, &str, &str, f64, f64); 5] = [
    ("10115", "harbour", "Harbour Street", 54.0921, 12.0991),
    ("10117", "market", "Old Market", 54.0887, 12.1405),
    ("10119", "mill", "Mill Lane", 54.0812, 12.1188),
    ("10243", "station", "Station Square", 54.0784, 12.1312),
    ("10245", "campus", "College Road", 54.0756, 12.0952),
];

/// The places of a quarter's six boxes.
const SPOTS: [&str; 6] = [
    "beside the main door",
    "in the courtyard",
    "ground floor, left of the stairs",
    "under the arcade",
    "next to the bicycle stands",
    "in the lobby, behind the plants",
];

/// Six boxes in each quarter: `harbour-1` to `campus-6`.
pub(super) fn boxes() -> Vec<Install> {
    let mut boxes = Vec::new();
    for (zip_code, slug, street, latitude, longitude) in QUARTERS {
        for (number, detail) in (1_u8..).zip(SPOTS) {
            boxes.push(Install {
                box_id: format!("{slug}-{number}"),
                zip_code,
                address: format!("{street} {}", number * 7),
                detail,
                latitude: latitude + f64::from(number) * 0.0007,
                longitude: longitude + f64::from(number) * 0.0011,
            });
        }
    }
    boxes
}

pub(super) const STORES: [Store; 10] = [
    ("noodle-bar", "Golden Noodle", "10115", "noodles"),
    ("pizza-forno", "Forno Antico", "10117", "pizza"),
    ("green-bowl", "The Green Bowl", "10117", "salad"),
    ("curry-house", "Saffron & Smoke", "10119", "curry"),
    ("taco-stand", "Tres Hermanas", "10119", "tacos"),
    ("burger-yard", "Burger Yard", "10243", "burgers"),
    ("sushi-dock", "Sushi Dock", "10115", "sushi"),
    ("falafel-king", "Falafel Corner", "10243", "falafel"),
    ("bakery-lane", "Bakery on the Lane", "10245", "bakery"),
    ("soup-kitchen", "Ladle & Spoon", "10245", "soup"),
];

pub(super) const USERS: [User; 40] = [
    ("mira", "Mira"),
    ("jonas", "Jonas K."),
    ("priya", "Priya"),
    ("tom", "Tom from 3B"),
    ("lena", "Lena"),
    ("oskar", "Oskar"),
    ("yuki", "Yuki"),
    ("farid", "Farid"),
    ("greta", "Greta"),
    ("paulo", "Paulo"),
    ("nina", "Nina"),
    ("kofi", "Kofi"),
    ("elsa", "Elsa"),
    ("marek", "Marek"),
    ("sofia", "Sofia"),
    ("hugo", "Hugo"),
    ("amira", "Amira"),
    ("lukas", "Lukas"),
    ("chloe", "Chloé"),
    ("deniz", "Deniz"),
    ("ida", "Ida"),
    ("victor", "Victor"),
    ("rosa", "Rosa"),
    ("anton", "Anton"),
    ("leila", "Leila"),
    ("emil", "Emil"),
    ("hana", "Hana"),
    ("bruno", "Bruno"),
    ("zoe", "Zoë"),
    ("mateo", "Mateo"),
    ("frieda", "Frieda"),
    ("arjun", "Arjun"),
    ("nora", "Nora"),
    ("pavel", "Pavel"),
    ("carla", "Carla"),
    ("tariq", "Tariq"),
    ("wanda", "Wanda"),
    ("simon", "Simon"),
    ("olga", "Olga"),
    ("ravi", "Ravi"),
];

fn room(
    box_id: &'static str,
    store_id: &'static str,
    title: &'static str,
    host: &'static str,
    guests: &[&'static str],
    lines: &[(&'static str, &'static str)],
) -> Room {
    Room {
        box_id,
        store_id,
        title,
        max_members: 8,
        host,
        guests: guests.to_vec(),
        lines: lines.iter().map(|(author, body)| Line(author, body)).collect(),
    }
}

/// All rooms, each on a different box.
pub(super) fn rooms() -> Vec<Room> {
    let mut rooms = evening_rooms();
    rooms.extend(lunch_rooms());
    rooms
}

fn evening_rooms() -> Vec<Room> {
    vec![
        room(
            "harbour-1",
            "noodle-bar",
            "Noodles before the match",
            "mira",
            &["jonas", "tom", "yuki"],
            &[
                ("mira", "Kick-off is at eight. Who is in?"),
                ("jonas", "Me! Dan dan noodles, extra spicy."),
                ("tom", "Same, but with tofu please."),
                ("yuki", "Shoyu ramen for me, and I can bring chopsticks that deserve the name."),
                ("mira", "Perfect. Ordering at half past seven, shout if you change your mind."),
                ("tom", "Is the delivery still free over 30?"),
                ("mira", "Yes, and we are at 41 already."),
            ],
        ),
        room(
            "harbour-3",
            "sushi-dock",
            "Sushi Thursday",
            "priya",
            &["lena", "oskar"],
            &[
                ("priya", "The big platter is 48 pieces. Shared by three that is 11 each."),
                ("lena", "I would take the vegetarian half."),
                ("oskar", "Then the salmon half is mine and Priya's, deal?"),
                ("priya", "Deal. They say 40 minutes."),
            ],
        ),
        room(
            "market-1",
            "pizza-forno",
            "Pizza, two for one",
            "farid",
            &["greta", "paulo", "nina", "kofi"],
            &[
                ("farid", "Two for one until six, so we need an even number."),
                ("greta", "Margherita!"),
                ("paulo", "Quattro formaggi."),
                ("nina", "Half and half with Kofi? Funghi?"),
                ("kofi", "Funghi is good, no olives on my side though."),
                ("farid", "That makes four if I take the diavola. Sending it off."),
                ("greta", "You are the best. Paying you back in the courtyard."),
            ],
        ),
        room(
            "market-4",
            "green-bowl",
            "Something green for once",
            "elsa",
            &["marek"],
            &[
                ("elsa", "My new year's resolution is eleven months late, but here we are."),
                ("marek", "Count me in. The one with roasted chickpeas."),
                ("elsa", "Dressing on the side?"),
                ("marek", "On the side, thank you."),
            ],
        ),
        room(
            "mill-2",
            "curry-house",
            "Curry after the late shift",
            "sofia",
            &["hugo", "amira", "lukas"],
            &[
                ("sofia", "I am off at ten. Anyone else still up?"),
                ("hugo", "Wide awake. Chana masala and garlic naan."),
                ("amira", "Palak paneer, medium."),
                ("lukas", "Could we get two naan more? They are never enough."),
                ("sofia", "Five naan it is."),
                ("hugo", "The box at the mill has a light now, by the way. You can see the code at night."),
            ],
        ),
        room(
            "mill-5",
            "taco-stand",
            "Taco night",
            "chloe",
            &["deniz", "ida"],
            &[
                ("chloe", "Twelve tacos for three, al pastor and mushroom half and half?"),
                ("deniz", "With the green salsa, yes."),
                ("ida", "And pickled onions. Many."),
                ("chloe", "Noted: many."),
            ],
        ),
    ]
}

fn lunch_rooms() -> Vec<Room> {
    vec![
        room(
            "station-1",
            "burger-yard",
            "Burgers on platform two",
            "victor",
            &["rosa", "anton"],
            &[
                ("victor", "My train leaves at 13:12, so I order at half past twelve sharp."),
                ("rosa", "Cheeseburger without pickles."),
                ("anton", "The double one. I skipped breakfast."),
                ("victor", "Ordered. The courier says 12:58, that is cutting it fine."),
                ("rosa", "I am next to the bicycle stands already, I will take it out."),
            ],
        ),
        room(
            "station-6",
            "falafel-king",
            "Falafel lunch",
            "leila",
            &["emil", "hana", "bruno"],
            &[
                ("leila", "Daily plate today: falafel, hummus, tabbouleh."),
                ("emil", "One plate please."),
                ("hana", "One wrap, no garlic, I have an interview at three."),
                ("bruno", "Good luck! Plate for me too."),
                ("leila", "Two plates, one wrap, one for me. Fingers crossed, Hana."),
                ("hana", "Thank you all."),
            ],
        ),
        room(
            "campus-1",
            "bakery-lane",
            "Cinnamon buns for the study group",
            "zoe",
            &["mateo", "frieda", "arjun"],
            &[
                ("zoe", "A dozen buns cost less than nine single ones. Just saying."),
                ("mateo", "A dozen. Obviously."),
                ("frieda", "And a loaf of rye, if we order anyway."),
                ("arjun", "Room 204 is booked until five. I will pick the box up on my way."),
                ("zoe", "Great, the lobby one, behind the plants."),
            ],
        ),
        room(
            "campus-4",
            "soup-kitchen",
            "Soup weather",
            "nora",
            &["pavel"],
            &[
                ("nora", "It has been raining since Monday. Soup?"),
                ("pavel", "Soup. Is the pumpkin one still on?"),
                ("nora", "Pumpkin and lentil. One of each?"),
                ("pavel", "One of each, and we share."),
            ],
        ),
        room(
            "harbour-6",
            "noodle-bar",
            "Boat club dinner",
            "carla",
            &["tariq", "wanda", "simon"],
            &[
                ("carla", "Back from the water in an hour, all hungry."),
                ("tariq", "Udon with vegetables for me."),
                ("wanda", "Two portions of gyoza to share, please."),
                ("simon", "I will have whatever Wanda does not finish."),
                ("wanda", "Then order something, Simon."),
                ("simon", "Udon too, then."),
            ],
        ),
        room(
            "market-6",
            "pizza-forno",
            "Moving day pizza",
            "olga",
            &["ravi"],
            &[
                ("olga", "The sofa is up the stairs. Pizza for the heroes is on me."),
                ("ravi", "The hero takes a calzone."),
                ("olga", "And one large prosciutto for the rest of us. Thirty minutes."),
                ("ravi", "I will get it from under the arcade, my arms still work."),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_sample_data_has_the_documented_size() {
        let boxes = boxes();
        let zip_codes: HashSet<_> = boxes.iter().map(|install| install.zip_code).collect();
        let ids: HashSet<_> = boxes.iter().map(|install| install.box_id.as_str()).collect();
        assert_eq!((ids.len(), zip_codes.len()), (30, 5));
        let users: HashSet<_> = USERS.iter().map(|(id, _)| id).collect();
        let nicknames: HashSet<_> = USERS.iter().map(|(_, nickname)| nickname.to_lowercase()).collect();
        assert_eq!((users.len(), nicknames.len()), (40, 40));
        assert_eq!(rooms().len(), 12);
    }

    #[test]
    fn rooms_refer_to_boxes_stores_and_users_of_the_sample_data() {
        let boxes = boxes();
        let mut free: HashSet<_> = boxes.iter().map(|install| install.box_id.as_str()).collect();
        for room in rooms() {
            assert!(free.remove(room.box_id), "{} is used twice or missing", room.box_id);
            assert!(STORES.iter().any(|(id, ..)| *id == room.store_id), "{}", room.store_id);
            let members: HashSet<_> = room.guests.iter().copied().chain([room.host]).collect();
            assert_eq!(members.len(), room.guests.len() + 1, "a member is listed twice in {}", room.title);
            assert!(members.len() <= usize::try_from(room.max_members).unwrap());
            assert!(members.iter().all(|member| USERS.iter().any(|(id, _)| id == member)), "{}", room.title);
            assert!(room.lines.iter().all(|Line(author, _)| members.contains(author)), "{}", room.title);
        }
    }
}
