//! Stub.
/// Stub
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// x
    #[default]
    Table,
    /// y
    Ndjson,
}
pub fn run(_: Format, _: &mut dyn std::io::Write) -> crate::Result<()> {
    Ok(())
}
