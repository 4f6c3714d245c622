// An LSTM on the words of WikiText-2, every layer a sparse matrix product: ./run wikitext2
#include <weft.hpp>
#include <weft/apps/models/language_net.hpp>
#include <weft/apps/support/run.hpp>

using namespace weft;

int main(int argc, char** argv) {
  return guarded([&] {
    Run run(argc, argv, language_recipe({.epochs = 10, .dropout = 0.45}));
    const TokenData text = run.tokens(TokenSet::wikitext2);
    ParamStore params(run.device(), run.seed());
    const LanguageNet net(Scope{params, run.form()}, text.vocabulary.size(), run.options());
    return run.fit(net, params, text);
  });
}
