//! The demo application's data: two properties and what is to be repaired there.
//!
//! Separate because it is content, not behaviour.

/// A site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Property {
    /// Its id, the same as in Anteroom.
    pub(crate) id: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
}

/// Something to repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkOrder {
    /// Its number, for the address.
    pub(crate) number: u32,
    /// Where.
    pub(crate) property: &'static Property,
    /// In which unit.
    pub(crate) unit: &'static str,
    /// What, in a few words.
    pub(crate) title: &'static str,
    /// How it stands.
    pub(crate) state: &'static str,
    /// What the resident said.
    pub(crate) report: &'static str,
}

/// Where the new joiner works.
pub(crate) const LAKESIDE: Property = Property { id: "lakeside", name: "Lakeside Apartments" };

/// Where the new joiner does not.
pub(crate) const HARBOR: Property = Property { id: "harbor-view", name: "Harbor View" };

/// Both sites.
pub(crate) const PROPERTIES: [&Property; 2] = [&LAKESIDE, &HARBOR];

/// All work orders.
pub(crate) const WORK_ORDERS: [WorkOrder; 5] = [
    WorkOrder {
        number: 1024,
        property: &LAKESIDE,
        unit: "B-12",
        title: "Water stain on the bathroom ceiling",
        state: "open",
        report: "It was the size of a plate on Monday and is twice that now. No drops yet.",
    },
    WorkOrder {
        number: 1025,
        property: &LAKESIDE,
        unit: "C-03",
        title: "Balcony door does not lock",
        state: "scheduled",
        report: "The handle turns all the way round. I have put a chair in front of it.",
    },
    WorkOrder {
        number: 1031,
        property: &LAKESIDE,
        unit: "Laundry room",
        title: "Second dryer stays cold",
        state: "waiting for parts",
        report: "It turns and hums, but the towels come out as they went in.",
    },
    WorkOrder {
        number: 2001,
        property: &HARBOR,
        unit: "4-A",
        title: "Elevator stops between floors",
        state: "urgent",
        report: "Third time this week, always on the way down, for about a minute.",
    },
    WorkOrder {
        number: 2007,
        property: &HARBOR,
        unit: "Parking deck",
        title: "Gate opens for every remote control",
        state: "open",
        report: "Also for the one of my television, my daughter found out.",
    },
];
