//! Questions that people ask, answered in words: data in `agent/causes/faq.yaml`. Matches words
//! only; causes are found by `matcher`.

use serde::{Deserialize, Serialize};

const FILE: &str = include_str!("../../causes/faq.yaml");

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// As somebody would ask it.
    pub ask: String,
    /// Words that find it.
    pub words: Vec<String>,
    /// In a few sentences.
    pub answer: String,
    /// Causes that it is about.
    pub see: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Faq {
    questions: Vec<Question>,
}

/// All questions, in the order of the file.
///
/// # Errors
/// What the reader of our own file says; a test keeps it readable.
pub fn questions() -> Result<Vec<Question>, super::LoadError> {
    serde_saphyr::from_str::<Faq>(FILE).map(|faq| faq.questions).map_err(|error| {
        let why = error.without_snippet().to_string();
        super::LoadError { file: "faq.yaml".to_owned(), line: None, id: None, why }
    })
}

/// The questions that share most words with what is asked, best first; none: nothing is shared.
#[must_use]
pub fn find<'q>(questions: &'q [Question], asked: &[String]) -> Vec<&'q Question> {
    let asked: Vec<String> = asked
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let shared = |question: &Question| {
        let text = question.ask.to_lowercase();
        let is_in_words = |word: &&String| question.words.contains(word);
        let named = asked.iter().filter(is_in_words).count();
        let asks = |word: &str| text.split(|c: char| !c.is_alphanumeric()).any(|own| own == word);
        named * 2 + asked.iter().filter(|word| word.len() > 3 && asks(word)).count()
    };
    let best = questions.iter().map(shared).max().filter(|best| *best > 0);
    questions.iter().filter(|question| Some(shared(question)) == best).collect()
}
