#include "target/stream_target.hpp"

#include "base/file.hpp"
#include "target/descriptor_writer.hpp"

#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t piece_size = 1 * MiB;

bool has_content(const Entry& entry)
{
    return entry.kind == EntryKind::file || entry.kind == EntryKind::image;
}

/// The stream that a view stands for. Throws Error{invalid} if it is not exactly one.
Entry only_stream(SnapshotView& view)
{
    const auto root = view.lookup("");
    if (root && has_content(*root)) {
        return *root;
    }
    std::optional<Entry> found;
    const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
    while (auto entry = cursor->next()) {
        if (!has_content(*entry)) {
            continue;
        }
        if (found) {
            throw Error(ErrorCode::invalid,
                        "there is more than one stream here; name one, such as SNAPSHOT:" +
                            found->path,
                        entry->path);
        }
        found = std::move(entry);
    }
    if (!found) {
        throw Error(ErrorCode::invalid, "there is no stream here; name a file of the snapshot");
    }
    return std::move(*found);
}

class StreamTarget final : public Target
{
public:
    explicit StreamTarget(int descriptor) : descriptor_(descriptor) {}

    void plan(SnapshotView& view, const TargetEvents& events, const std::stop_token&) override
    {
        const Entry entry = only_stream(view);
        if (events.plan) {
            events.plan({PlanStep::Kind::step, "create", entry.path, entry.size, {}});
        }
    }

    void run(SnapshotView& view, const TargetEvents& events, const std::stop_token& stop) override
    {
        const Entry entry = only_stream(view);
        const auto stream = view.open_stream(entry);
        stream->expect(0, stream->size());
        start_ = is_regular() ? lseek(descriptor_, 0, SEEK_CUR) : -1;
        DescriptorWriter out(descriptor_, "the output");
        const auto tell = [&](std::uint64_t entries, std::uint64_t bytes) {
            if (events.progress) {
                events.progress(entries, bytes, 0);
            }
        };
        Bytes piece(piece_size);
        while (out.written() < stream->size()) {
            const std::uint64_t at = out.written();
            const auto data = stream->next_data(at);
            const std::uint64_t hole_end = data ? data->begin : stream->size();
            out.write_zeros(hole_end - at, stop);
            if (!data) {
                break;
            }
            const auto wanted = static_cast<std::size_t>(
                std::min<std::uint64_t>(piece.size(), data->end - data->begin));
            const std::size_t size =
                stream->read_at(data->begin, MutableByteSpan(piece).first(wanted), stop);
            if (size != wanted) {
                throw Error(ErrorCode::damaged, "the stream is shorter than the snapshot says",
                            entry.path);
            }
            out.write(ByteSpan(piece).first(size), stop);
            tell(0, size);
        }
        tell(1, 0);
    }

    void verify(SnapshotView& view, const TargetEvents& events,
                const std::stop_token& stop) override
    {
        const Entry entry = only_stream(view);
        const auto told = [&](ErrorCode code, const char* message) {
            if (events.problem) {
                events.problem({code, entry.path, message});
            }
        };
        if (start_ < 0 || (fcntl(descriptor_, F_GETFL) & O_ACCMODE) != O_RDWR) {
            told(ErrorCode::unsupported, "what was written cannot be read again, so not verified");
            return;
        }
        const auto stream = view.open_stream(entry);
        Bytes wanted(piece_size);
        Bytes there(piece_size);
        for (std::uint64_t at = 0; at < stream->size(); at += piece_size) {
            const std::size_t size = stream->read_at(at, wanted, stop);
            const std::size_t read =
                read_at(descriptor_, static_cast<std::uint64_t>(start_) + at, there, entry.path);
            if (read < size || !equal(ByteSpan(wanted).first(size), ByteSpan(there).first(size))) {
                told(ErrorCode::target, "differs from the snapshot: its content differs");
                return;
            }
        }
    }

    void commit() override {}
    void abandon() noexcept override {}

private:
    bool is_regular() const
    {
        struct stat status {
        };
        return fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
    }

    const int descriptor_;
    off_t start_ = -1; ///< where the stream begins in a file
};

} // namespace

std::unique_ptr<Target> make_stream_target(int descriptor)
{
    return std::make_unique<StreamTarget>(descriptor);
}

} // namespace backstay::core
