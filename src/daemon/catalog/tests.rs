use super::*;

fn text(name: &str) -> String {
    format!("name: {name}\noutput: {{ bucket: media }}\nactivities: {{ a: {{ analysis: {{}} }} }}\n")
}

fn names(catalog: &WorkflowFolder) -> Vec<String> {
    catalog.active().iter().map(|workflow| workflow.name.clone()).collect()
}

/// The file that the only active workflow was read from.
fn active_file(catalog: &WorkflowFolder) -> String {
    let active = catalog.active();
    assert_eq!(active.len(), 1, "{active:?}");
    Path::new(&active[0].file).file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn field_fault_airflow_42111_a_folder_that_vanishes_keeps_the_last_good_set() {
    let place = tempfile::tempdir().unwrap();
    let (folder, aside) = (place.path().join("workflows"), place.path().join("aside"));
    std::fs::create_dir(&folder).unwrap();
    for name in ["vod", "clips"] {
        std::fs::write(folder.join(format!("{name}.yaml")), text(name)).unwrap();
    }
    let catalog = WorkflowFolder::open(&folder, None).unwrap();
    let both = ["clips", "vod"];
    std::fs::rename(&folder, &aside).unwrap();
    for _ in 0..3 {
        catalog.look().unwrap();
        assert_eq!(names(&catalog), both);
        assert!(catalog.away().is_some_and(|why| why.contains("cannot be read")));
    }
    let put = catalog.put("new", &text("new"), &crate::daemon::definitions::Condition::default());
    assert!(put.unwrap_err().to_string().contains("is unavailable"));
    assert!(!folder.exists(), "nothing is written into the place of a mount");

    std::fs::create_dir(&folder).unwrap();
    catalog.look().unwrap();
    assert!(catalog.away().is_some_and(|why| why.contains("all 2 workflow files")), "{:?}", catalog.away());
    for name in both {
        std::os::unix::fs::symlink("gone", folder.join(format!("{name}.yaml"))).unwrap();
    }
    catalog.look().unwrap();
    assert!(catalog.away().is_some_and(|why| why.contains("none of its files")), "{:?}", catalog.away());
    assert_eq!(names(&catalog), both);

    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    catalog.look().unwrap();
    assert_eq!((names(&catalog), catalog.away()), (both.map(str::to_owned).to_vec(), None));
    std::fs::remove_file(folder.join("clips.yaml")).unwrap();
    for _ in 0..2 {
        catalog.look().unwrap();
    }
    assert_eq!((names(&catalog), catalog.away()), (vec!["vod".to_owned()], None), "one by one is removed");
    std::fs::remove_file(folder.join("vod.yaml")).unwrap();
    for _ in 0..2 {
        catalog.look().unwrap();
    }
    assert_eq!((names(&catalog), catalog.away()), (Vec::new(), None));
}

#[test]
fn field_fault_airflow_42111_an_empty_folder_in_its_place_is_no_removal() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    std::fs::create_dir(at("workflows")).unwrap();
    for name in ["clips", "vod"] {
        std::fs::write(at("workflows").join(format!("{name}.yaml")), text(name)).unwrap();
    }
    let catalog = WorkflowFolder::open(&at("workflows"), None).unwrap();
    let removed = |name: &str| {
        std::fs::remove_file(at("workflows").join(name)).unwrap();
        for _ in 0..3 {
            catalog.look().unwrap();
        }
        (names(&catalog), catalog.away())
    };
    assert_eq!(removed("vod.yaml"), (vec!["clips".to_owned()], None));
    // Both are there at the same time, so they differ whatever the file system does with numbers that are free.
    std::fs::create_dir(at("empty")).unwrap();
    std::fs::rename(at("workflows"), at("aside")).unwrap();
    std::fs::rename(at("empty"), at("workflows")).unwrap();
    for _ in 0..40 {
        catalog.look().unwrap();
        assert_eq!(names(&catalog), ["clips"]);
        assert!(catalog.away().is_some_and(|why| why.contains("only workflow file")), "{:?}", catalog.away());
    }
    std::fs::remove_dir(at("workflows")).unwrap();
    std::fs::rename(at("aside"), at("workflows")).unwrap();
    std::fs::write(at("workflows/vod.yaml"), text("vod")).unwrap();
    catalog.look().unwrap();
    assert_eq!((names(&catalog).len(), catalog.away()), (2, None));
    assert_eq!(removed("clips.yaml"), (vec!["vod".to_owned()], None));
    assert_eq!(removed("vod.yaml"), (Vec::new(), None), "from the same folder it is removed");
}

#[test]
fn field_fault_airflow_42111_a_start_without_the_folder_goes_on_with_the_last_good_set() {
    let place = tempfile::tempdir().unwrap();
    let (folder, kept) = (place.path().join("workflows"), place.path().join("kept.json"));
    let open = || WorkflowFolder::with_receivers(&folder, None, Receivers::new(), Some(kept.clone())).unwrap();
    assert!(open().away().is_none(), "a newcomer's folder may be missing");
    std::fs::create_dir(&folder).unwrap();
    assert!(open().away().is_none() && !kept.exists(), "or empty");
    std::fs::write(folder.join("vod.yaml"), text("vod")).unwrap();
    std::fs::write(folder.join("clips.yaml"), text("clips")).unwrap();
    assert!(open().away().is_none());
    std::fs::write(folder.join("vod.yaml"), "name: vod\n").unwrap();
    assert_eq!(names(&open()), ["clips", "vod"], "a mistake made meanwhile leaves the last good version");

    std::fs::remove_dir_all(&folder).unwrap();
    for _ in 0..2 {
        let catalog = open();
        assert_eq!(names(&catalog), ["clips", "vod"]);
        assert!(catalog.away().is_some());
    }
    std::fs::create_dir(&folder).unwrap();
    let catalog = open();
    assert!(catalog.away().is_some());
    std::fs::remove_file(&kept).unwrap();
    catalog.look().unwrap();
    assert_eq!((names(&catalog), catalog.away()), (Vec::new(), None), "none are wanted");
    assert!(open().away().is_none());
}

#[test]
fn field_fault_airflow_42111_a_config_map_is_swapped_under_its_links() {
    use std::os::unix::fs::symlink;
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    for (version, name) in [("..one", "vod"), ("..two", "film")] {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("vod.yaml"), text(name)).unwrap();
    }
    symlink("..one", at("..data")).unwrap();
    symlink("..data/vod.yaml", at("vod.yaml")).unwrap();
    let catalog = WorkflowFolder::open(place.path(), None).unwrap();
    assert_eq!(names(&catalog), ["vod"]);
    symlink("..two", at("..data_tmp")).unwrap();
    std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    catalog.look().unwrap();
    assert_eq!((names(&catalog), catalog.away()), (vec!["film".to_owned()], None));
    std::fs::remove_file(at("..data")).unwrap();
    catalog.look().unwrap();
    assert_eq!(names(&catalog), ["film"]);
    assert!(catalog.away().is_some(), "its links lead nowhere");
}

#[test]
fn field_fault_airflow_29321_a_second_file_of_a_name_takes_nothing_over() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("vod.yaml", &text("vod"));
    let catalog = WorkflowFolder::open(folder.path(), None).unwrap();
    for name in ["backup-vod.yaml", "a (conflicted copy).yml", "zz.yaml"] {
        write(name, &text("vod").replace("media", "elsewhere"));
    }
    for name in [".vod.yaml", ".#vod.yaml", "~$vod.yaml", "#vod.yaml", "vod~.yaml"] {
        write(name, &text("vod").replace("media", "hidden"));
    }
    let fresh = WorkflowFolder::open(folder.path(), None).unwrap();
    catalog.look().unwrap();
    for catalog in [&catalog, &fresh] {
        assert_eq!(active_file(catalog), "vod.yaml");
        let problems = catalog.problems();
        let told: Vec<_> = problems.iter().map(|problem| &problem.diagnostic).collect();
        assert!(told.iter().all(|one| one.code == "WF0307" && one.message.contains("vod.yaml")), "{told:?}");
        assert_eq!(told.len(), 3, "hidden files do not count: {told:?}");
        assert_eq!(catalog.definition("vod").unwrap().path, folder.path().join("vod.yaml"));
        assert!(catalog.definition("backup-vod").unwrap().active.is_none());
    }
    write("vod.yaml", "name: vod\n");
    catalog.look().unwrap();
    assert_eq!(active_file(&catalog), "vod.yaml", "a mistake does not give the name away");
}

#[test]
fn field_fault_airflow_29321_a_second_file_of_a_template_takes_nothing_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    let write = |name: &str, from: &str| {
        let text = format!("name: mine\nextends: {from}\n");
        std::fs::write(folder.path().join("templates").join(name), text).unwrap();
    };
    let mine = |catalog: &WorkflowFolder| catalog.templates().get("mine").unwrap().parameters.clone();
    let with_a_copy = |catalog: &WorkflowFolder| {
        assert_eq!(catalog.problems().len(), 1, "{:?}", catalog.problems());
        assert_eq!(catalog.problems()[0].diagnostic.code, "TPL0005");
        mine(catalog)
    };
    write("mine.yaml", "h264-360p");
    let catalog = WorkflowFolder::open(folder.path(), None).unwrap();
    let first = mine(&catalog);
    write("backup-mine.yaml", "h264-720p");
    write(".mine.yaml", "h264-1080p");
    catalog.look().unwrap();
    let fresh = WorkflowFolder::open(folder.path(), None).unwrap();
    assert!(with_a_copy(&catalog) == first && with_a_copy(&fresh) == first);
    write("aa.yaml", "h264-720p");
    std::fs::remove_file(folder.path().join("templates/backup-mine.yaml")).unwrap();
    std::fs::rename(folder.path().join("templates/mine.yaml"), folder.path().join("templates/zz.yaml")).unwrap();
    catalog.look().unwrap();
    assert!(with_a_copy(&catalog) != first, "what remains has the name");
}

#[test]
fn field_fault_airflow_29321_the_name_goes_with_its_file_when_that_is_renamed_and_passes_on_when_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("vod.yaml"), text("vod")).unwrap();
    let catalog = WorkflowFolder::open(folder.path(), None).unwrap();
    std::fs::write(at("backup.yaml"), text("vod").replace("media", "elsewhere")).unwrap();
    catalog.look().unwrap();
    std::fs::rename(at("vod.yaml"), at("film.yaml")).unwrap();
    for _ in 0..2 {
        catalog.look().unwrap();
        assert_eq!(active_file(&catalog), "film.yaml");
    }
    std::fs::remove_file(at("film.yaml")).unwrap();
    std::fs::write(at("vod.yaml"), text("vod").replace("media", "films")).unwrap();
    for _ in 0..3 {
        catalog.reload().unwrap();
        assert_eq!(active_file(&catalog), "vod.yaml");
    }
    std::fs::remove_file(at("vod.yaml")).unwrap();
    for _ in 0..2 {
        catalog.look().unwrap();
    }
    assert_eq!(active_file(&catalog), "backup.yaml", "what remains is the workflow");
    assert!(catalog.problems().is_empty());
}

#[test]
fn field_fault_airflow_29321_a_file_that_a_sync_brings_back_has_its_name_again() {
    for same_text in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, bucket: &str| std::fs::write(at(name), text("vod").replace("media", bucket)).unwrap();
        let backup = if same_text { "media" } else { "elsewhere" };
        write("film.yaml", "media");
        let catalog = WorkflowFolder::open(folder.path(), None).unwrap();
        write("backup-vod.yaml", backup);
        let after_looks = |looks: u32| {
            for _ in 0..looks {
                catalog.look().unwrap();
            }
            active_file(&catalog)
        };
        assert_eq!(after_looks(1), "film.yaml");
        std::fs::remove_file(at("film.yaml")).unwrap();
        assert_eq!(after_looks(1), "film.yaml", "missing once it may be a file being replaced");
        assert_eq!(after_looks(3), "backup-vod.yaml");
        write("third.yaml", "elsewhere");
        assert_eq!(after_looks(2), "backup-vod.yaml", "a newcomer has nothing to come back to");
        write("film.yaml", "media");
        assert_eq!(after_looks(1), "film.yaml");
        let told = catalog.problems();
        let told: Vec<_> = told.iter().map(|problem| (problem.diagnostic.code, &problem.diagnostic.file)).collect();
        assert!(told.len() == 2 && told.iter().all(|(code, _)| *code == "WF0307"), "{told:?}");
        std::fs::rename(at("film.yaml"), at("vod.yaml")).unwrap();
        write("vod.yaml", "films");
        write("film.yaml", "films");
        assert_eq!(after_looks(1), "film.yaml", "two files of a name, one of which has it");
    }
}

#[test]
fn a_file_that_is_not_text_harms_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let good = |name: &str, template: &str| {
        let activity = format!("transcode: {{ template: {template}, name: x.mp4 }}");
        format!("name: {name}\noutput: {{ bucket: media }}\nactivities: {{ a: {{ {activity} }} }}\n")
    };
    write("good.yaml", good("good", "h264-360p").as_bytes());
    write("uses.yaml", good("uses", "mine").as_bytes());
    write("torn.yaml", b"name: \xff\n");
    write("templates/mine.yaml", b"name: \xff\n");
    let catalog = WorkflowFolder::open(folder.path(), None).unwrap();
    assert_eq!(names(&catalog), ["good"]);
    let told = catalog.problems();
    let codes: Vec<_> = told.iter().map(|problem| problem.diagnostic.code).collect();
    assert_eq!(codes, ["WF0005", "WF0005", "TPL0013"]);

    write("templates/mine.yaml", b"name: mine\nextends: h264-720p\n");
    assert!(catalog.reload().unwrap());
    assert_eq!(names(&catalog), ["good", "uses"]);
    write("templates/mine.yaml", b"\xff");
    assert!(catalog.reload().unwrap());
    assert_eq!(names(&catalog), ["good", "uses"], "the last good version stays");
}
