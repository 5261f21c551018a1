#include "base/child_process.hpp"
#include "source/single_entry_source.hpp"
#include "source/stream_source.hpp"

#include <fmt/core.h>
#include <utility>

namespace backstay::core
{

namespace
{

class CommandSource : public SingleEntrySource
{
public:
    explicit CommandSource(CommandSourceOptions options)
        : SingleEntrySource(options.name), arguments_(std::move(options.arguments))
    {
        if (arguments_.empty() || arguments_.front().empty()) {
            throw Error(ErrorCode::invalid, "there is no command to run");
        }
    }

    std::string probe(const std::stop_token&) override
    {
        return R"({"kind":"command","scope":"object"})";
    }

    SourceVerdict finish() override
    {
        SourceVerdict verdict;
        if (!was_read()) {
            process_.reset();
            verdict.message = "the command's output was not read to its end";
            return verdict;
        }
        const ChildProcess::Exit exit = process_->wait(stop());
        verdict.kind = exit.good ? SourceVerdict::Kind::ok : SourceVerdict::Kind::failed;
        if (!exit.good) {
            verdict.message = fmt::format("the command {}", exit.message);
        }
        return verdict;
    }

    void settle(bool committed) override
    {
        process_.reset();
        SingleEntrySource::settle(committed);
    }

protected:
    void begin() override
    {
        process_ = std::make_unique<ChildProcess>(ChildCommand{arguments_, {}});
    }

    int descriptor() const override { return process_->output(); }

private:
    std::vector<std::string> arguments_;
    std::unique_ptr<ChildProcess> process_;
};

} // namespace

std::unique_ptr<DataSource> make_command_source(CommandSourceOptions options)
{
    return std::make_unique<CommandSource>(std::move(options));
}

} // namespace backstay::core
