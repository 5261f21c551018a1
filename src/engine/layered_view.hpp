#pragma once

#include "format/snapshot_view.hpp"

#include <memory>

namespace backstay::core
{

/// What an interrupted run had done already, in front of the parent snapshot: look-ups find the
/// newer of the two. Thread-safe. Either may be null.
class LayeredView : public SnapshotView
{
public:
    LayeredView(std::shared_ptr<SnapshotView> newer, std::shared_ptr<SnapshotView> older);
    std::optional<Entry> lookup(std::string_view path) override;
    std::unique_ptr<EntryCursor> walk(std::string_view path,
                                      Depth depth) override; ///< of the older
    std::unique_ptr<SnapshotStream> open_stream(const Entry& entry) override;
    std::string source_record() const override;
    SnapshotView* committed() override { return older_.get(); }

private:
    std::shared_ptr<SnapshotView> newer_;
    std::shared_ptr<SnapshotView> older_;
};

} // namespace backstay::core
