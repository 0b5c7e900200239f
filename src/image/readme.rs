//! Texts for people: a README that is an artifact of its own, or attached to an image, or within a Helm chart.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use super::{Descriptor, kind};

/// The most bytes of a text that are kept.
const LONGEST: usize = 64 << 10;
/// The most bytes of a chart that are unpacked: a small archive may hold any number of them.
const UNPACKED: u64 = 4 << 20;
/// The annotation in which builders of artifacts name a file (OCI image specification).
const TITLE: &str = "org.opencontainers.image.title";
/// The type of the layer of a chart (Helm's HIP 6).
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// Returns the layer that is a README: by its type, else by its name.
pub fn readme_layer(layers: &[Descriptor]) -> Option<&Descriptor> {
    let is_markdown = |layer: &&Descriptor| kind::essence(&layer.media_type) == "text/markdown";
    let is_named = |layer: &&Descriptor| layer.annotations.get(TITLE).is_some_and(|name| is_readme(name));
    layers.iter().find(is_markdown).or_else(|| layers.iter().find(is_named))
}

/// Returns the layer of a chart.
pub fn chart_layer(layers: &[Descriptor]) -> Option<&Descriptor> {
    layers.iter().find(|layer| kind::essence(&layer.media_type) == CHART)
}

/// The text of a README. `None` if it is none, but bytes.
pub fn readme(document: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(document);
    if text.trim().is_empty() || text.contains('\0') {
        return None;
    }
    let (kept, rest) = text.split_at(text.floor_char_boundary(LONGEST));
    Some(if rest.is_empty() { kept.to_owned() } else { format!("{kept}…") })
}

/// The README in the archive of a chart, a tar file that gzip has packed: `<chart>/README.md`. At most 4 MiB of the archive
/// are unpacked, so that one behind those is not found.
pub fn readme_of_chart(archive: &[u8]) -> Option<String> {
    let mut unpacked = MultiGzDecoder::new(archive).take(UNPACKED);
    let mut header = [0; 512];
    loop {
        unpacked.read_exact(&mut header).ok()?;
        let Entry { name, size, is_file } = Entry::read(&header)?;
        let file = name.split_once('/').map_or("", |(_, file)| file);
        if is_file && file.eq_ignore_ascii_case("README.md") {
            let mut content = Vec::new();
            // One more than is kept shows that there is more.
            unpacked.take(size.min(LONGEST as u64 + 1)).read_to_end(&mut content).ok()?;
            return readme(&content);
        }
        let blocks = size.checked_next_multiple_of(512)?;
        let skipped = io::copy(&mut unpacked.by_ref().take(blocks), &mut io::sink()).ok()?;
        if skipped < blocks {
            return None;
        }
    }
}

fn is_readme(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["readme", "readme.md", "readme.txt"].contains(&name.as_str())
}

/// The head of a file in a tar archive (POSIX.1-1988, ustar).
struct Entry {
    name: String,
    size: u64,
    is_file: bool,
}

impl Entry {
    /// Reads a head; `None` at the end of the archive.
    fn read(header: &[u8; 512]) -> Option<Self> {
        let text = |from: usize, length: usize| {
            let field = header.get(from..from + length).unwrap_or_default();
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(field.get(..end).unwrap_or_default()).into_owned()
        };
        let (name, prefix) = (text(0, 100), text(345, 155));
        if name.is_empty() {
            return None;
        }
        let size = u64::from_str_radix(text(124, 12).trim_matches([' ', '\0']), 8).ok()?;
        let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        Some(Self { name, size, is_file: matches!(header[156], b'0' | 0) })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = kind;
        header.extend_from_slice(content);
        header.resize(header.len().next_multiple_of(512), 0);
        header
    }

    fn packed(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        entries.iter().for_each(|entry| packed.write_all(entry).unwrap());
        packed.write_all(&[0; 1024]).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn the_readme_of_the_chart_is_found_and_none_of_its_dependencies() {
        let files = [
            entry("app/Chart.yaml", b'0', b"name: app"),
            entry("app/charts/db/README.md", b'0', b"of the dependency"),
            entry("app/readme.md", b'0', b"# App"),
        ];
        assert_eq!(readme_of_chart(&packed(&files)).as_deref(), Some("# App"));
        assert_eq!(readme_of_chart(&packed(&files[..2])), None);
        assert_eq!(readme_of_chart(&packed(&[entry("app/README.md", b'2', b"")])), None, "a link");
        for broken in [&b""[..], b"no gzip", &packed(&files)[..90]] {
            assert_eq!(readme_of_chart(broken), None);
        }
        let long = entry("app/README.md", b'0', &vec![b'x'; 2 * LONGEST]);
        assert_eq!(readme_of_chart(&packed(&[long])).unwrap().len(), LONGEST + '…'.len_utf8());
    }

    #[test]
    fn an_archive_that_unpacks_to_much_is_left() {
        let zeros = entry("app/zeros", b'0', &vec![0; usize::try_from(UNPACKED).unwrap()]);
        let behind = [zeros, entry("app/README.md", b'0', b"behind")];
        assert_eq!(readme_of_chart(&packed(&behind)), None);
        let mut lies = entry("app/zeros", b'0', b"");
        lies[124..135].copy_from_slice(b"77777777777");
        assert_eq!(readme_of_chart(&packed(&[lies, entry("app/README.md", b'0', b"x")])), None);
    }

    #[test]
    fn a_text_is_cut_and_bytes_are_none() {
        assert_eq!(readme(b"# App").as_deref(), Some("# App"));
        assert!(readme("é".repeat(LONGEST).as_bytes()).unwrap().ends_with("é…"));
        for other in [&b""[..], b" \n", b"\x7fELF\0"] {
            assert_eq!(readme(other), None);
        }
    }
}
