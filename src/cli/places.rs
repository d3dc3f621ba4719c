//! Folders that stand for buckets while a workflow runs without a daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::CliError;
use crate::workflow::{Workflow, publishes};

/// Folders that stand for buckets.
///
/// The bucket of the outputs is the output folder itself. If outputs go to several buckets, each is a folder of its name in
/// it. **Invariant**: buckets of outputs have separate folders, so that their keys cannot collide.
pub(super) struct Places {
    mounts: BTreeMap<String, PathBuf>,
}

impl Places {
    /// Makes the folders for a run of `workflow` from `file`. `named` are the folders of buckets that the user gave.
    pub(super) fn new(
        file: &Path,
        output: &Path,
        named: &[(String, String)],
        workflow: &Workflow,
    ) -> Result<Self, CliError> {
        let mut mounts = beside(file);
        let named = named.iter().map(|(bucket, folder)| (bucket.clone(), PathBuf::from(folder)));
        let named: BTreeMap<String, PathBuf> = named.collect();
        let written = written(workflow);
        let source = workflow.trigger.as_ref().map(|trigger| trigger.bucket.as_str());
        let is_there = |bucket: &str| Some(bucket) == source && mounts.contains_key(bucket);
        let free: Vec<&str> =
            written.iter().copied().filter(|bucket| !named.contains_key(*bucket) && !is_there(bucket)).collect();
        for bucket in &free {
            let folder = if written.len() == 1 { output.to_owned() } else { output.join(bucket) };
            mounts.insert((*bucket).to_owned(), folder);
        }
        mounts.extend(named);
        apart(&mounts, &written)?;
        for folder in written.iter().filter_map(|bucket| mounts.get(*bucket)) {
            if let Some(file) = folder.ancestors().find(|path| path.exists()).filter(|path| !path.is_dir()) {
                return Err(CliError::usage(format!("{} is not a folder", file.display())));
            }
        }
        Ok(Self { mounts })
    }

    /// Returns the folder of each bucket.
    pub(super) const fn mounts(&self) -> &BTreeMap<String, PathBuf> {
        &self.mounts
    }

    /// Returns the path of an object.
    pub(super) fn path(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        self.mounts.get(bucket).map(|folder| folder.join(key))
    }
}

/// Returns the folders beside the workflow file, each as the bucket of its name.
fn beside(file: &Path) -> BTreeMap<String, PathBuf> {
    let folder = file.parent().unwrap_or_else(|| Path::new("")).join(".");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.to_owned(), entry.path()))).collect()
}

/// Returns the buckets of outputs, as far as they are known before anything runs.
fn written(workflow: &Workflow) -> BTreeSet<&str> {
    let makers = workflow.plan.graph.node_weights().filter(|activity| publishes(activity));
    let buckets = makers.map(|activity| workflow.plan.output_of(activity).bucket.as_str());
    buckets.filter(|bucket| !bucket.is_empty() && !bucket.contains("${")).collect()
}

/// Fails if the folder of one bucket of outputs is inside that of another.
fn apart(mounts: &BTreeMap<String, PathBuf>, written: &BTreeSet<&str>) -> Result<(), CliError> {
    let folders: Vec<(&str, PathBuf)> =
        written.iter().filter_map(|bucket| Some((*bucket, whole(mounts.get(*bucket)?)))).collect();
    for (bucket, folder) in &folders {
        let other = folders.iter().find(|(other, around)| other != bucket && folder.starts_with(around));
        if let Some((other, _)) = other {
            return Err(CliError::usage(format!(
                "the folder of bucket {bucket}, {}, is inside that of bucket {other}, so outputs could overwrite each \
                 other: set separate folders with --bucket",
                folder.display()
            )));
        }
    }
    Ok(())
}

/// Returns the absolute path, with symbolic links resolved if it exists.
fn whole(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Templates;
    use crate::workflow::{Limits, compile};

    fn workflow(output: &str, second: &str) -> Workflow {
        let text = format!(
            "name: w\ntrigger: {{ bucket: uploads, key: '*.mp4' }}\noutput: {output}\nactivities:\n  \
             a: {{ snapshot: {{ name: m2/s.jpg }} }}\n  b: {{ {second}snapshot: {{ name: s.jpg }} }}\n"
        );
        let compiled = compile("w.yaml", &text, &Templates::presets(), &Limits::default(), None);
        compiled.workflow.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
    }

    fn places(workflow: &Workflow, named: &[(&str, &str)]) -> Result<Places, CliError> {
        let named: Vec<_> = named.iter().map(|(bucket, folder)| ((*bucket).into(), (*folder).into())).collect();
        Places::new(Path::new("/no/such/w.yaml"), Path::new("out"), &named, workflow)
    }

    #[test]
    fn one_bucket_is_the_output_folder_and_several_lie_in_it_side_by_side() {
        let one = places(&workflow("{ bucket: m1 }", ""), &[]).unwrap();
        assert_eq!(one.path("m1", "s.jpg").unwrap(), Path::new("out/s.jpg"));
        let two = places(&workflow("{ bucket: m1 }", "output: { bucket: m2 }, "), &[]).unwrap();
        assert_eq!(two.path("m1", "m2/s.jpg").unwrap(), Path::new("out/m1/m2/s.jpg"));
        assert_eq!(two.path("m2", "s.jpg").unwrap(), Path::new("out/m2/s.jpg"));
    }

    #[test]
    fn the_chart_of_an_analysis_is_written_and_an_analysis_without_one_writes_nothing() {
        let charts = workflow("{ bucket: m1 }", "output: { bucket: charts }, analysis: { chart: true } }\n  c: { ");
        assert_eq!(places(&charts, &[]).unwrap().path("charts", "b.svg").unwrap(), Path::new("out/charts/b.svg"));
        let looks = workflow("{ bucket: m1 }", "output: { bucket: charts }, analysis: { black: true } }\n  c: { ");
        assert_eq!(places(&looks, &[]).unwrap().path("charts", "b.svg"), None);
    }

    #[test]
    fn outputs_may_go_to_the_bucket_of_the_uploads() {
        let same = places(&workflow("{ bucket: uploads, prefix: done/ }", ""), &[]).unwrap();
        assert_eq!(same.path("uploads", "done/s.jpg").unwrap(), Path::new("out/done/s.jpg"));
    }

    #[test]
    fn buckets_within_each_other_are_refused() {
        let two = workflow("{ bucket: m1 }", "output: { bucket: m2 }, ");
        for named in [&[("m1", "x"), ("m2", "x")][..], &[("m2", "out/m1/deep")], &[("m1", "out")]] {
            let error = places(&two, named).err().unwrap_or_else(|| panic!("{named:?} was taken"));
            assert_eq!(error.code, "CLI0002", "{error:?}");
        }
        assert!(places(&two, &[("m1", "x"), ("m2", "y")]).is_ok());
    }
}
