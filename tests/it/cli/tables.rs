//! Imports and exports.

use serde_json::{Value, json};

use super::Office;

const HEADER: &str = "email,name,organization,level,property\n";

fn import(office: &Office, table: &str) -> Result<Value, Value> {
    let file = office.write("users.csv", table.as_bytes());
    let done = office.run(&["user", "import", &file, "--json"]);
    match done.code {
        0 => Ok(serde_json::from_str(&done.out).unwrap()),
        1 => Err(serde_json::from_str::<Value>(&done.err).unwrap()["error"].take()),
        _ => panic!("{done:?}"),
    }
}

#[test]
fn a_table_of_users_is_imported_and_importing_it_again_changes_nothing() {
    let office = Office::furnished();
    let table = "\u{feff}email,name,organization,level,property\r\n\
        dana@contoso.com,\"Ümläut, Dana\",contoso,manager,maple\r\n\
        dana@contoso.com,\"Ümläut, Dana\",contoso,viewer,*\r\n\
        \r\n\
        Eve@contoso.co.uk,,contoso,,\r\n\
        finn@fabrikam.com,Finn,fabrikam,viewer,tower";
    assert_eq!(import(&office, table), Ok(json!({"users_added": 3, "grants_changed": 3})));
    let users = office.json(&["user", "list"]);
    let states: Vec<_> =
        users.as_array().unwrap().iter().map(|user| (&user["email"], &user["state"])).collect();
    assert_eq!(
        states,
        [
            (&json!("dana@contoso.com"), &json!("active")),
            (&json!("eve@contoso.co.uk"), &json!("waiting")),
            (&json!("finn@fabrikam.com"), &json!("active")),
        ]
    );
    assert_eq!(users[0]["name"], "Ümläut, Dana");

    assert_eq!(import(&office, table), Ok(json!({"users_added": 0, "grants_changed": 0})));
    assert_eq!(office.json(&["user", "list"]), users);
}

#[test]
fn every_bad_line_is_named_and_then_no_line_is_imported() {
    let office = Office::furnished();
    office.ok(&["user", "add", "taken@contoso.com", "--organization", "contoso"]);
    let before = office.json(&["user", "list"]);
    let bad = [
        ("no-address,,contoso,,", "email must have the form"),
        ("a@contoso.com,,nobody,,", "there is no organization nobody"),
        ("a@gmail.com,,contoso,,", "outside the domains of contoso"),
        ("a@contoso.com,,contoso,king,maple", "viewer, technician, manager"),
        ("a@contoso.com,,contoso,viewer,nowhere", "no property nowhere"),
        ("a@contoso.com,,contoso,viewer,tower", "it belongs to fabrikam"),
        ("a@contoso.com,,contoso,viewer,", "level without a property"),
        ("a@contoso.com,,contoso,,maple", "level without a property"),
        ("a@contoso.com,,contoso", "another number of fields"),
        ("good@contoso.com,,contoso,manager,maple", "something else about good@contoso.com than line 2"),
        ("a@contoso.com,\"two\nlines\",contoso,,", "on one line"),
        ("a@contoso.com,,-,,", "organization must be"),
    ];
    let mut table = format!("{HEADER}good@contoso.com,,contoso,viewer,maple\n");
    let mut lines = Vec::new();
    for (line, words) in bad {
        lines.push((table.matches('\n').count() + 1, words));
        table.push_str(line);
        table.push('\n');
    }
    let error = import(&office, &table).unwrap_err();
    assert_eq!(error["code"], "bad_lines");
    let told = error["lines"].as_array().unwrap();
    assert_eq!(told.len(), lines.len(), "{error:#}");
    for (problem, (line, words)) in told.iter().zip(lines) {
        assert_eq!(problem["line"], line);
        assert!(problem["message"].as_str().unwrap().contains(words), "{problem}");
    }
    let people = office.run(&["user", "import", "users.csv"]);
    assert!(
        people.err.starts_with("nothing was imported; 12 lines are wrong:\n  line 3: email"),
        "{people:?}"
    );
    assert_eq!(office.json(&["user", "list"]), before);

    let good = format!("{HEADER}good@contoso.com,,contoso,viewer,maple\n");
    assert_eq!(import(&office, &good), Ok(json!({"users_added": 1, "grants_changed": 1})));
}

#[test]
fn a_user_stays_in_one_organization() {
    let mut configuration = super::CONFIGURATION
        .replace("domains = [\"fabrikam.com\"]", "domains = [\"fabrikam.com\", \"contoso.com\"]");
    configuration.push('\n');
    let office = Office::furnished();
    office.write("anteroom.toml", configuration.as_bytes());
    office.ok(&["user", "add", "dana@contoso.com", "--organization", "contoso"]);
    let error = import(&office, &format!("{HEADER}dana@contoso.com,,fabrikam,,\n")).unwrap_err();
    assert_eq!(error["lines"][0]["message"], "dana@contoso.com is a user of contoso");
    let table = format!("{HEADER}eve@contoso.com,,contoso,,\neve@contoso.com,,fabrikam,,\n");
    let error = import(&office, &table).unwrap_err();
    assert_eq!(error["lines"][0]["line"], 3);
    assert_eq!(office.json(&["user", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_no_table_is_refused() {
    let office = Office::furnished();
    for (table, code) in [
        ("", "bad_table"),
        ("dana@contoso.com,,contoso,,\n", "bad_table"),
        ("email;name;organization;level;property\n", "bad_table"),
        ("email,name,organization,level\n", "bad_table"),
    ] {
        assert_eq!(import(&office, table).unwrap_err()["code"], code, "{table}");
    }
    office.write("latin.csv", b"email,name,organization,level,property\na@contoso.com,\xdcml,contoso,,\n");
    assert!(office.refused(&["user", "import", "latin.csv"]).1.contains("line 2 is not text in UTF-8"));
    office.write("huge.csv", &vec![b'\n'; 11 * 1024 * 1024]);
    assert!(office.refused(&["user", "import", "huge.csv"]).1.contains("larger than 10 MB"));
    assert_eq!(office.refused(&["user", "import", "missing.csv"]).0, "unreadable_file");
    assert_eq!(office.refused(&["user", "import", "."]).0, "unreadable_file");
    assert_eq!(import(&office, HEADER), Ok(json!({"users_added": 0, "grants_changed": 0})));
}

#[test]
fn an_export_is_what_an_import_reads_and_gives_no_more_access() {
    let office = Office::furnished();
    let table = "email,name,organization,level,property\n\
        dana@contoso.com,\"Ümläut, Dana\",contoso,viewer,*\n\
        dana@contoso.com,\"Ümläut, Dana\",contoso,manager,maple\n\
        eve@contoso.com,,contoso,,\n";
    import(&office, table).unwrap();
    assert_eq!(office.ok(&["user", "export"]), table);
    assert_eq!(office.json(&["user", "export"]), office.json(&["user", "list"]));

    // An end is never lost on the way, and who is shut out does not come back in.
    office.ok(&[
        "user",
        "grant",
        "eve@contoso.com",
        "--level",
        "viewer",
        "--property",
        "oak",
        "--until",
        "2090-12-31",
    ]);
    office.ok(&["user", "disable", "dana@contoso.com"]);
    let done = office.run(&["user", "export"]);
    assert_eq!(
        done.out,
        "email,name,organization,level,property,until\n\
         eve@contoso.com,,contoso,viewer,oak,2091-01-01T00:00:00Z\n"
    );
    assert!(done.err.starts_with("left out: 1 disabled"), "{done:?}");

    let other = Office::furnished();
    import(&other, &done.out).unwrap();
    let eve = other.json(&["user", "show", "eve@contoso.com"]);
    assert_eq!(eve["grants"][0]["until"], "2091-01-01T00:00:00Z");
    assert_eq!(other.ok(&["user", "export"]), done.out);
}

#[test]
fn properties_are_imported_when_every_line_is_right() {
    let office = Office::furnished();
    let import = |table: &str| {
        let file = office.write("properties.csv", table.as_bytes());
        office.run(&["property", "import", &file, "--json"])
    };
    let before = office.json(&["property", "list"]);
    let bad = import(
        "id,organization,name\nelm,contoso,Elm\nmaple,fabrikam,Maple\n-,contoso,X\nash,nobody,Ash\nelm,contoso,Other\npine,contoso,\n",
    );
    assert_eq!(bad.code, 1);
    let error: Value = serde_json::from_str(&bad.err).unwrap();
    let lines: Vec<_> =
        error["error"]["lines"].as_array().unwrap().iter().map(|line| line["line"].clone()).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7]);
    assert_eq!(office.json(&["property", "list"]), before);

    let good = "id,organization,name\nelm,contoso,Elm\nmaple,contoso,maple\n";
    let counts =
        |added: u64, unchanged: u64| json!({"properties_added": added, "properties_unchanged": unchanged});
    assert_eq!(serde_json::from_str::<Value>(&import(good).out).unwrap(), counts(1, 1));
    assert_eq!(serde_json::from_str::<Value>(&import(good).out).unwrap(), counts(0, 2));
    // One change, told once.
    let log = office.json(&["audit", "list"]);
    let told: Vec<_> =
        log.as_array().unwrap().iter().filter(|entry| entry["action"] == "properties.imported").collect();
    assert_eq!(told.len(), 1, "{log}");
    assert_eq!(told[0]["details"], json!({"added": 1, "properties": ["elm"]}));
}
