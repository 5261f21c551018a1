// Backs a folder and something of this program's own up as one snapshot, and restores it.
// first_backup REPOSITORY KEY-FILE FOLDER TARGET
#include <backstay/backstay.hpp>

#include <cstring>
#include <iostream>
#include <utility>

/// What this program wants kept: one small file.
class Settings : public backstay::DataSource
{
public:
    void open(backstay::Callback&, backstay_view*, backstay_session&) override { given_ = false; }
    bool next(backstay::Callback&, std::uint32_t, backstay_entry& out) override
    {
        out.kind = BACKSTAY_KIND_FILE;
        out.path = "settings.ini";
        out.path_length = std::strlen(out.path);
        return !std::exchange(given_, true);
    }
    std::size_t read(backstay::Callback&, std::uint32_t, std::uint64_t, std::uint64_t offset,
                     std::uint8_t* to, std::size_t size) override
    {
        return text_.copy(reinterpret_cast<char*>(to), size, offset);
    }

private:
    std::string text_ = "colour = blue\n";
    bool given_ = false;
};

int main(int argc, char** argv)
try {
    if (argc != 5) {
        std::cerr << "usage: first_backup REPOSITORY KEY-FILE FOLDER TARGET\n";
        return 2;
    }
    const auto print = [](const backstay::Record& record) { std::cout << record.json() << '\n'; };
    backstay::Engine engine;
    backstay::Options create("store"), key("init");
    create.set_flag("create");
    key.add("key-file", argv[2]);
    const backstay::Store store(engine, argv[1], &create);
    const auto repository = backstay::Repository::init(store, &key);

    backstay::Backup backup(repository);
    backup.add("files", backstay::Source::tree(engine, argv[3]));
    backup.add("settings", backstay::Source::host(engine, std::make_shared<Settings>()));
    backstay::Job job = backup.start();
    const std::int64_t problems = job.finish(print).number("problems");

    const auto target = backstay::Target::directory(engine, argv[4]);
    repository.snapshot("latest").restore("", target).finish(print);
    return problems > 0 ? 3 : 0;
} catch (const backstay::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
