<?php
/**
 * Notices that a checkout was begun, changed, emptied or bought, keeps it, and lets WooCommerce tell Cartwheel.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Hooks of the checkouts only note that something was said; one look at the end of the request decides what is kept,
 * because totals are calculated after the hooks. One row is one cart that was left or bought: an episode.
 */
final class Cartwheel_Capture {

	const NONCE      = 'woocommerce-cartwheel-capture'; // WooCommerce ties nonces that begin so to a guest's session.
	const TOKEN      = 'cartwheel_token';               // In the session: the row of this cart.
	const RECOVERED  = 'cartwheel_recovered';           // In the session: it came by a link out of a mail.
	const ORDER_META = '_cartwheel_checkout_token';
	const MOST_CALLS = 120; // Of our script, a minute, from one address; a shop behind a proxy has one address.

	/**
	 * Whether the cart or what is known of the shopper may have changed.
	 *
	 * @var bool
	 */
	private static $is_touched = false;

	/**
	 * What the shopper said in this request: email, first_name, last_name, country, consent, source.
	 *
	 * @var array
	 */
	private static $said = array();

	/**
	 * Hooks in. The look at the end comes before WooCommerce fills its queue (10) and saves the session (20).
	 */
	public static function init() {
		add_action( 'woocommerce_store_api_cart_update_customer_from_request', array( __CLASS__, 'hear_block' ) );
		add_action( 'woocommerce_set_additional_field_value', array( __CLASS__, 'hear_block_field' ), 10, 2 );
		add_action( 'woocommerce_checkout_update_order_review', array( __CLASS__, 'hear_classic' ) );
		add_action( 'wc_ajax_cartwheel_capture', array( __CLASS__, 'hear_script' ) );
		add_action( 'woocommerce_cart_updated', array( __CLASS__, 'touch' ) );
		add_action( 'woocommerce_cart_emptied', array( __CLASS__, 'touch' ) );
		add_action( 'woocommerce_checkout_order_processed', array( __CLASS__, 'hear_classic_order' ), 10, 3 );
		add_action( 'woocommerce_store_api_checkout_order_processed', array( __CLASS__, 'hear_block_order' ) );
		add_action( 'wp_enqueue_scripts', array( __CLASS__, 'add_script' ) );
		add_action( 'shutdown', array( __CLASS__, 'look' ), 1 );
	}

	/**
	 * Notes that the cart may have changed.
	 */
	public static function touch() {
		self::$is_touched = true;
	}

	/**
	 * Hears the block checkout, which tells each field shortly after it is left.
	 *
	 * @param WC_Customer $customer With what was typed.
	 */
	public static function hear_block( $customer ) {
		self::say( self::about( $customer ) + array( 'source' => 'block' ) );
	}

	/**
	 * Hears our box in the block checkout.
	 *
	 * @param string $key   The field.
	 * @param mixed  $value The answer.
	 */
	public static function hear_block_field( $key, $value ) {
		if ( Cartwheel_Consent::BLOCK_FIELD === $key ) {
			self::say( array( 'consent' => (bool) $value ) );
		}
	}

	/**
	 * Hears the classic checkout, which tells its fields once the address is complete.
	 *
	 * @param string $post_data The form, as a query.
	 */
	public static function hear_classic( $post_data ) {
		$form = array();
		wp_parse_str( (string) $post_data, $form );
		if ( empty( $form['billing_email'] ) ) {
			return;
		}
		self::say(
			array(
				'email'      => $form['billing_email'],
				'first_name' => isset( $form['billing_first_name'] ) ? $form['billing_first_name'] : '',
				'last_name'  => isset( $form['billing_last_name'] ) ? $form['billing_last_name'] : '',
				'country'    => isset( $form['billing_country'] ) ? $form['billing_country'] : '',
				'consent'    => ! empty( $form[ Cartwheel_Consent::CLASSIC_FIELD ] ),
				'source'     => 'classic',
			)
		);
	}

	/**
	 * Hears our own script: the classic checkout says nothing when the address is typed, and neither says the box at once.
	 */
	public static function hear_script() {
		if ( ! check_ajax_referer( self::NONCE, 'nonce', false ) ) {
			wp_send_json_error( null, 403 );
		}
		if ( ! self::is_call_allowed() ) {
			wp_send_json_error( null, 429 );
		}
		// phpcs:disable WordPress.Security.ValidatedSanitizedInput.InputNotSanitized -- say() does it, for all who speak.
		$said = array( 'source' => isset( $_POST['source'] ) && 'block' === $_POST['source'] ? 'block' : 'classic' );
		foreach ( array( 'email', 'first_name', 'last_name' ) as $name ) {
			if ( isset( $_POST[ $name ] ) ) {
				$said[ $name ] = wp_unslash( $_POST[ $name ] );
			}
		}
		if ( isset( $_POST['consent'] ) ) {
			$said['consent'] = '1' === $_POST['consent'];
		}
		// phpcs:enable
		self::say( $said );
		wp_send_json_success();
	}

	/**
	 * Hears that the classic checkout made an order.
	 *
	 * @param int      $order_id The order's id.
	 * @param array    $posted   What was filled in.
	 * @param WC_Order $order    The order.
	 */
	public static function hear_classic_order( $order_id, $posted, $order ) {
		self::close( $order, 'classic' );
	}

	/**
	 * Hears that the block checkout made an order.
	 *
	 * @param WC_Order $order The order.
	 */
	public static function hear_block_order( $order ) {
		self::close( $order, 'block' );
	}

	/**
	 * Looks at the cart at the end of the request and keeps it, forgets it, or leaves all as it is.
	 */
	public static function look() {
		if ( ! self::$is_touched || ! Cartwheel_Cart::is_here() ) {
			return;
		}
		$said             = self::$said;
		self::$is_touched = false;
		self::$said       = array();
		$kept             = self::kept();
		if ( ! $kept && empty( $said['email'] ) && ! is_user_logged_in() ) {
			return; // Nobody that we could know: most visitors, whose pages must not get slower.
		}
		$cart = WC()->cart->is_empty() ? Cartwheel_Cart::none() : Cartwheel_Cart::describe();
		if ( $kept && 'completed' === $kept['status'] ) {
			if ( $cart['items'] && Cartwheel_Cart::is_same( $cart, $kept['cart'] ) ) {
				return; // The shopper is at the bank, or comes back from it: this cart is bought, and no new one is begun.
			}
			self::let_go();
			$kept = null;
		}
		$row = self::next( $kept, $cart, $said );
		if ( null === $row ) {
			return;
		}
		if ( self::may_keep( $row ) ) {
			self::keep( $row, $kept );
		} elseif ( $kept ) {
			Cartwheel_Checkouts::delete( $kept['token'] );
			self::let_go();
			do_action( 'cartwheel_checkout_deleted', $kept['token'] );
		}
	}

	/**
	 * Makes a row the one of this visitor's cart.
	 *
	 * @param string $token The row's token.
	 */
	public static function attach( $token ) {
		WC()->session->set( self::TOKEN, $token );
		WC()->session->set( self::RECOVERED, true );
	}

	/**
	 * Brings our script to the checkout.
	 */
	public static function add_script() {
		if ( ! is_checkout() || is_order_received_page() ) {
			return;
		}
		wp_enqueue_script( 'cartwheel-capture', plugins_url( 'assets/capture.js', CARTWHEEL_FILE ), array(), CARTWHEEL_VERSION, true );
		wp_localize_script(
			'cartwheel-capture',
			'cartwheelCapture',
			array(
				'url'   => WC_AJAX::get_endpoint( 'cartwheel_capture' ),
				'nonce' => wp_create_nonce( self::NONCE ),
			)
		);
	}

	/**
	 * Notes what was said, cleaned; an address that is none was not said.
	 *
	 * @param array $said email, first_name, last_name, country, consent, source.
	 */
	private static function say( array $said ) {
		foreach ( array( 'email', 'first_name', 'last_name', 'country' ) as $name ) {
			if ( isset( $said[ $name ] ) ) {
				$text          = is_scalar( $said[ $name ] ) ? (string) $said[ $name ] : '';
				$said[ $name ] = mb_substr( sanitize_text_field( $text ), 0, 'country' === $name ? 2 : 100 );
				if ( 'email' === $name ) {
					$said['email'] = strlen( $text ) <= 254 && is_email( trim( $text ) ) ? Cartwheel_Checkouts::normalise_email( $text ) : '';
				}
				if ( '' === $said[ $name ] ) {
					unset( $said[ $name ] );
				}
			}
		}
		self::$said       = array_merge( self::$said, $said );
		self::$is_touched = true;
	}

	/**
	 * Returns what the row should be, or null where there is nothing to keep or to change.
	 *
	 * @param array|null $kept What is kept of this cart.
	 * @param array      $cart The cart now.
	 * @param array      $said What was said in this request.
	 * @return array|null
	 */
	private static function next( $kept, array $cart, array $said ) {
		if ( ! $kept && ! isset( $said['email'] ) && is_user_logged_in() ) {
			$said += self::about( WC()->customer ) + array( 'source' => 'account' );
		}
		if ( ! $kept && ( empty( $said['email'] ) || ! $cart['items'] ) ) {
			return null;
		}
		$is_other = $kept && isset( $said['email'] ) && $said['email'] !== $kept['email'];
		if ( $is_other && WC()->session->get( self::RECOVERED ) ) {
			// A mail was forwarded: whoever follows its link is somebody else, with a cart of their own.
			$kept = null;
		}
		$row           = self::with_consent( $kept ? $kept : self::blank(), $said );
		$row           = array_merge( $row, array_diff_key( $said, array( 'consent' => true ) ) );
		$row['cart']   = $cart;
		$row['status'] = $cart['items'] ? 'open' : 'emptied';
		$row['locale'] = determine_locale();
		if ( is_user_logged_in() ) {
			$row['user_id'] = get_current_user_id();
		}
		return $row;
	}

	/**
	 * Writes the answer of the box into a row: when it was ticked, and under which words.
	 *
	 * @param array $row  The row.
	 * @param array $said What was said.
	 * @return array
	 */
	private static function with_consent( array $row, array $said ) {
		if ( isset( $said['consent'] ) && $said['consent'] !== $row['consent'] ) {
			$row['consent']      = $said['consent'];
			$row['consent_at']   = $said['consent'] ? self::now() : null;
			$row['consent_text'] = $said['consent'] ? Cartwheel_Settings::consent_text() : null;
		}
		return $row;
	}

	/**
	 * Says whether the shop wants this cart to be kept.
	 *
	 * @param array $row The row.
	 * @return bool
	 */
	private static function may_keep( array $row ) {
		$capture = Cartwheel_Settings::get( 'capture' );
		$may     = 'typed' === $capture || ( 'agreed' === $capture ? $row['consent'] : $row['user_id'] > 0 );
		/**
		 * Lets a shop decide otherwise, for instance by country.
		 *
		 * @param bool  $may Whether the cart is kept.
		 * @param array $row What would be kept.
		 */
		return (bool) apply_filters( 'cartwheel_may_keep_cart', $may, $row );
	}

	/**
	 * Writes a row where it differs from what is kept, and tells.
	 *
	 * @param array      $row  What should be kept.
	 * @param array|null $kept What is.
	 */
	private static function keep( array $row, $kept ) {
		if ( $kept && $kept['token'] === $row['token'] && wp_json_encode( $kept ) === wp_json_encode( $row ) ) {
			return;
		}
		$is_new            = ! $kept || $kept['token'] !== $row['token'];
		$row['updated_at'] = self::now();
		if ( ! Cartwheel_Checkouts::save( $row ) ) {
			return;
		}
		if ( $is_new ) {
			WC()->session->set( self::TOKEN, $row['token'] );
			WC()->session->set( self::RECOVERED, null );
		}
		do_action( $is_new ? 'cartwheel_checkout_created' : 'cartwheel_checkout_updated', $row['token'] );
	}

	/**
	 * Ends an episode with an order, which carries its token from now on; where none was begun, because somebody was
	 * quick, it begins and ends here. Else the next look at the cart would take it for one that was left.
	 *
	 * The session keeps the token until the cart is empty or another: see look().
	 *
	 * @param WC_Order $order  The order.
	 * @param string   $source block or classic.
	 */
	private static function close( $order, $source ) {
		if ( ! Cartwheel_Cart::is_here() ) {
			return;
		}
		$is_ticked = '1' === (string) $order->get_meta( Cartwheel_Consent::ORDER_META );
		self::say( self::about( $order ) + ( $is_ticked ? array( 'consent' => true ) : array() ) );
		$kept             = self::kept();
		$said             = self::$said + ( $kept ? array() : array( 'source' => $source ) );
		self::$said       = array();
		self::$is_touched = false;
		$row              = self::next( $kept, WC()->cart->is_empty() && $kept ? $kept['cart'] : Cartwheel_Cart::describe(), $said );
		if ( null === $row || ! self::may_keep( $row ) ) {
			return;
		}
		$row['order_id'] = (int) $order->get_id();
		$row['status']   = 'completed';
		$order->update_meta_data( self::ORDER_META, $row['token'] );
		$order->save();
		self::keep( $row, $kept );
	}

	/**
	 * Returns what is kept of this visitor's cart.
	 *
	 * @return array|null
	 */
	private static function kept() {
		return Cartwheel_Checkouts::find( WC()->session->get( self::TOKEN ) );
	}

	/**
	 * Forgets which row is this visitor's.
	 */
	private static function let_go() {
		WC()->session->set( self::TOKEN, null );
		WC()->session->set( self::RECOVERED, null );
	}

	/**
	 * Returns what a customer or an order says of its person.
	 *
	 * @param WC_Customer|WC_Order $whose Both have these getters.
	 * @return array
	 */
	private static function about( $whose ) {
		return array_filter(
			array(
				'email'      => Cartwheel_Checkouts::normalise_email( $whose->get_billing_email() ),
				'first_name' => (string) $whose->get_billing_first_name(),
				'last_name'  => (string) $whose->get_billing_last_name(),
				'country'    => (string) $whose->get_billing_country(),
			)
		);
	}

	/**
	 * Returns a row of which nothing is known yet.
	 *
	 * @return array
	 */
	private static function blank() {
		return array(
			'token'        => Cartwheel_Checkouts::new_token(),
			'status'       => 'open',
			'email'        => '',
			'user_id'      => 0,
			'first_name'   => '',
			'last_name'    => '',
			'country'      => '',
			'locale'       => '',
			'cart'         => Cartwheel_Cart::none(),
			'consent'      => false,
			'consent_at'   => null,
			'consent_text' => null,
			'source'       => '',
			'order_id'     => 0,
			'created_at'   => self::now(),
			'updated_at'   => self::now(),
		);
	}

	/**
	 * Counts the calls of this minute from the visitor's address, of which only a keyed hash is kept, for two minutes.
	 *
	 * @return bool Whether there were not too many.
	 */
	private static function is_call_allowed() {
		$address = isset( $_SERVER['REMOTE_ADDR'] ) ? sanitize_text_field( wp_unslash( $_SERVER['REMOTE_ADDR'] ) ) : '';
		$key     = 'cartwheel_' . substr( wp_hash( $address . '|' . (int) ( time() / MINUTE_IN_SECONDS ) ), 0, 32 );
		$calls   = (int) get_transient( $key );
		set_transient( $key, $calls + 1, 2 * MINUTE_IN_SECONDS );
		return $calls < self::MOST_CALLS;
	}

	/**
	 * Returns the time as the database keeps it: in UTC.
	 *
	 * @return string
	 */
	private static function now() {
		return gmdate( 'Y-m-d H:i:s' );
	}
}
