//! What scanners look at, and what they leave out.
use super::*;
use crate::logs::files::discovery::{Avoid, News, tree::Tree};
use std::time::SystemTime;

struct Scene {
    folder: tempfile::TempDir,
    tree: Tree,
    avoid: Avoid,
    wall: SystemTime,
}

fn scene(pattern: &str, prepare: impl FnOnce(&Path, &mut Matching)) -> Scene {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join(pattern);
    let glob = Glob::parse(text.to_str().expect("Unicode")).expect("a pattern");
    let mut rule = Matching {
        glob,
        pick: Pick::EachToItsStream,
        blacklist: None,
        exclude: vec![],
        auto_removal: false,
        others: Default::default(),
    };
    prepare(folder.path(), &mut rule);
    let tree = Tree::new(0, rule.glob.ways()[0].root().to_owned(), Arc::new(rule));
    // Later than any change: what the folder's time says is sure.
    let wall = SystemTime::now() + Duration::from_secs(3600);
    Scene { folder, tree, avoid: Avoid::default(), wall }
}

impl Scene {
    fn write(&self, name: &str) {
        write(self.folder.path(), name);
    }

    /// Names below the folder that were seen (`+`) or are gone (`-`), and folders that may hold matches (`/`).
    fn look(&mut self, files: bool) -> Vec<String> {
        let mut news = Vec::new();
        self.tree.look(&self.avoid, self.wall, files, &mut news);
        let name = |path: &Path| path.strip_prefix(self.folder.path()).expect("below").display().to_string();
        let mut told: Vec<String> = news
            .iter()
            .filter_map(|news| match news {
                News::Seen { path, .. } => Some(format!("+{}", name(path))),
                News::Gone { path, .. } => Some(format!("-{}", name(path))),
                News::Folder { path, there: Some(_) } => Some(format!("{}/", name(path))),
                News::Trouble { path, why, .. } => Some(format!("!{} {}", name(path), why.is_some())),
                News::Folder { there: None, .. } | News::Listed { .. } | News::Shared { .. } => None,
            })
            .collect();
        told.sort_unstable();
        told
    }
}

fn write(folder: &Path, name: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("below")).expect("made");
    fs::write(path, name).expect("written");
}

#[test]
fn a_folder_that_cannot_match_is_never_entered() {
    let mut scene = scene("a*/**.log", |folder, _| {
        for name in ["a/1.log", "a/deep/2.log", "b/3.log", "c/a/4.log", "5.log"] {
            write(folder, name);
        }
    });
    assert_eq!(scene.look(true), ["+a/1.log", "+a/deep/2.log", "/", "a/", "a/deep/"]);
}

#[test]
fn a_folder_is_read_again_only_when_names_in_it_came_or_went() {
    let mut scene = scene("**.log", |folder, _| write(folder, "x/1.log"));
    assert_eq!(scene.look(true), ["+x/1.log", "/", "x/"]);
    let dated = fs::metadata(scene.folder.path().join("x")).expect("there").modified().expect("dated");
    scene.write("x/2.log");
    let folder = fs::File::open(scene.folder.path().join("x")).expect("opened");
    folder.set_modified(dated).expect("dated");
    assert_eq!(scene.look(true), [""; 0], "its time says that nothing happened");
    scene.write("x/3.log");
    assert_eq!(scene.look(false), ["+x/2.log", "+x/3.log"]);
    fs::remove_dir_all(scene.folder.path().join("x")).expect("removed");
    assert_eq!(scene.look(false), ["-x/1.log", "-x/2.log", "-x/3.log"]);
}

#[test]
fn a_change_in_the_moment_of_reading_is_seen() {
    let mut scene = scene("*.log", |folder, _| write(folder, "1.log"));
    scene.wall = SystemTime::now();
    scene.look(true);
    let dated = fs::metadata(scene.folder.path()).expect("there").modified().expect("dated");
    scene.write("2.log");
    fs::File::open(scene.folder.path()).expect("opened").set_modified(dated).expect("dated");
    assert_eq!(scene.look(false), ["+2.log"], "the clock of the file system ticks slowly");
}

#[test]
fn what_holds_no_lines_or_is_left_out_is_not_followed() {
    let mut scene = scene("**", |folder, rule| {
        for name in ["a.log", "a.log.gz", "b.XZ", "c.lz4", "state/positions.json", "debug.log", "x/y.tmp", "own.log"] {
            write(folder, name);
        }
        rule.blacklist = Some(regex::bytes::Regex::new("^debug").expect("good"));
        rule.exclude = vec![Glob::parse(folder.join("**.tmp").to_str().expect("Unicode")).expect("good")];
    });
    let path = |name: &str| Some(scene.folder.path().join(name));
    scene.avoid = Avoid { state: path("state"), own_log: path("own.log") };
    assert_eq!(scene.look(true), ["+a.log", "/", "x/"]);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_a_pipe_and_a_folder_are_passed_over_one_by_one() {
    use std::os::unix::fs::symlink;
    let mut scene = scene("*.log", |folder, _| {
        symlink(folder.join("nowhere"), folder.join("dangling.log")).expect("linked");
        let made = std::process::Command::new("mkfifo").arg(folder.join("pipe.log")).status().expect("POSIX has it");
        assert!(made.success());
        fs::create_dir(folder.join("folder.log")).expect("made");
        write(folder, "a.log");
    });
    assert_eq!(scene.look(true), ["+a.log", "/"]);
    scene.write("nowhere");
    assert_eq!(scene.look(true), ["+dangling.log"], "it leads somewhere now");
}

#[cfg(unix)]
#[test]
fn links_to_folders_are_followed_where_they_are_named_and_not_by_two_stars() {
    use std::os::unix::fs::symlink;
    let link = |folder: &Path, _: &mut Matching| {
        write(folder, "real/a.log");
        symlink(folder.join("real"), folder.join("link")).expect("linked");
        symlink(folder, folder.join("real/loop")).expect("linked");
    };
    assert_eq!(scene("**.log", link).look(true), ["+real/a.log", "/", "real/"]);
    assert_eq!(scene("*/a.log", link).look(true), ["+link/a.log", "+real/a.log", "/", "link/", "real/"]);
}

#[test]
fn a_folder_that_is_gone_as_a_whole_takes_no_file_with_it() {
    let mut scene = scene("logs/*.log", |folder, _| write(folder, "logs/a.log"));
    assert_eq!(scene.look(true), ["+logs/a.log", "logs/"]);
    let (logs, away) = (scene.folder.path().join("logs"), scene.folder.path().join("away"));
    fs::rename(&logs, &away).expect("moved");
    assert_eq!(scene.look(true), [""; 0], "it may be a mount that comes back");
    fs::rename(&away, &logs).expect("moved");
    assert_eq!(scene.look(true), [""; 0]);
}

#[test]
fn a_hint_asks_one_file_and_a_look_every_file() {
    let mut scene = scene("*.log", |folder, _| {
        write(folder, "a.log");
        write(folder, "b.log");
    });
    scene.look(true);
    fs::write(scene.folder.path().join("a.log"), "longer than before").expect("written");
    fs::write(scene.folder.path().join("b.log"), "longer than before").expect("written");
    let mut news = Vec::new();
    scene.tree.hinted("a.log".as_ref(), &mut news);
    assert!(matches!(news.as_slice(), [News::Seen { path, .. }] if path.ends_with("a.log")), "{news:?}");
    assert_eq!(scene.look(false), [""; 0]);
    assert_eq!(scene.look(true), ["+b.log"]);
}

#[test]
fn while_a_root_does_not_answer_its_files_are_left_alone_and_others_are_read() {
    let mut bench = each("hung/*.log", |bench| {
        fs::create_dir(bench.path("hung")).expect("made");
        fs::create_dir(bench.path("good")).expect("made");
        bench.watches.push(watch(bench, "good/*.log", Pick::Newest));
    });
    bench.append("hung/a.log", "one\n");
    bench.append("good/b.log", "one\n");
    assert_eq!(bench.streams().into_values().flatten().count(), 2);
    bench.hang("hung", true);
    bench.append("hung/a.log", "two\n");
    bench.append("good/b.log", "two\n");
    assert_eq!(bench.streams().into_values().collect::<Vec<_>>(), [["two"]]);
    bench.doze(Duration::from_secs(10));
    let line = |bench: &Bench| bench.board.read().sources.into_values().filter_map(|line| line.last_error).next();
    assert!(line(&bench).is_some_and(|why| why.ends_with("hung does not answer")));
    bench.hang("hung", false);
    assert_eq!(bench.streams().into_values().collect::<Vec<_>>(), [["two"]]);
    bench.doze(Duration::from_secs(10));
    assert_eq!(line(&bench), None);
}
