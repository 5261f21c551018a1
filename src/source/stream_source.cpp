#include "source/stream_source.hpp"

#include "source/single_entry_source.hpp"

namespace backstay::core
{

namespace
{

class StreamSource : public SingleEntrySource
{
public:
    StreamSource(int descriptor, std::string name)
        : SingleEntrySource(std::move(name)), descriptor_(descriptor)
    {
    }

    std::string probe(const std::stop_token&) override
    {
        return R"({"kind":"stream","scope":"object"})";
    }

    SourceVerdict finish() override
    {
        SourceVerdict verdict;
        verdict.kind = was_read() ? SourceVerdict::Kind::ok : SourceVerdict::Kind::failed;
        verdict.message = was_read() ? "" : "the stream was not read to its end";
        return verdict;
    }

protected:
    void begin() override
    {
        if (was_begun()) {
            throw Error(ErrorCode::source, "a stream can be read only once", name());
        }
    }
    int descriptor() const override { return descriptor_; }

private:
    int descriptor_;
};

} // namespace

std::unique_ptr<DataSource> make_stream_source(int descriptor, std::string name)
{
    return std::make_unique<StreamSource>(descriptor, std::move(name));
}

} // namespace backstay::core
