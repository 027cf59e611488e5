<?php
/**
 * The settings page: what the shop chooses, and whether everything works.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Draws the page with WordPress' own form of settings, which checks nonce and right.
 */
final class Cartwheel_Settings_Page {

	const SLUG  = 'cartwheel-settings';
	const GROUP = 'cartwheel';

	/**
	 * Hooks in.
	 */
	public static function init() {
		add_action( 'admin_init', array( __CLASS__, 'register' ) );
		add_filter( 'option_page_capability_' . self::GROUP, array( __CLASS__, 'capability' ) );
	}

	/**
	 * Adds the page to the menu.
	 */
	public static function add_menu() {
		$title = __( 'Settings', 'cartwheel' );
		add_submenu_page( Cartwheel_Admin::SLUG, $title, $title, Cartwheel_Admin::CAPABILITY, self::SLUG, array( __CLASS__, 'show' ) );
	}

	/**
	 * Registers the option and how it is cleaned.
	 */
	public static function register() {
		register_setting(
			self::GROUP,
			Cartwheel_Settings::OPTION,
			array(
				'type'              => 'array',
				'sanitize_callback' => array( 'Cartwheel_Settings', 'clean' ),
			)
		);
	}

	/**
	 * Lets shop managers save, whom WordPress would ask to be administrators.
	 *
	 * @return string
	 */
	public static function capability() {
		return Cartwheel_Admin::CAPABILITY;
	}

	/**
	 * Draws the page.
	 */
	public static function show() {
		if ( ! current_user_can( Cartwheel_Admin::CAPABILITY ) ) {
			wp_die( esc_html__( 'You may not see this page.', 'cartwheel' ), 403 );
		}
		echo '<div class="wrap"><h1>' . esc_html__( 'Cartwheel settings', 'cartwheel' ) . '</h1>';
		settings_errors();
		self::show_state();
		echo '<form method="post" action="options.php">';
		settings_fields( self::GROUP );
		echo '<table class="form-table" role="presentation">';
		self::show_fields( Cartwheel_Settings::all() );
		echo '</table>';
		submit_button();
		echo '</form></div>';
	}

	/**
	 * Draws the state of the connection.
	 */
	private static function show_state() {
		$connection = Cartwheel_Connection::current();
		$kept       = Cartwheel_Checkouts::summary();
		$app        = Cartwheel_Settings::app_url();
		$missing    = $connection ? array_diff( Cartwheel_Webhooks::TOPICS, $connection['topics'] ) : array();
		$rows       = array(
			__( 'Your Cartwheel', 'cartwheel' ) => '' !== $app ? $app : __( 'Not known: this copy was not downloaded from it', 'cartwheel' ),
			__( 'Connection', 'cartwheel' )     => $connection ? __( 'Connected', 'cartwheel' ) : __( 'Not connected', 'cartwheel' ),
			__( 'Carts', 'cartwheel' )          => $connection ? self::topics( $missing ) : '',
			__( 'Kept here', 'cartwheel' )      => self::kept( $kept ),
		);
		if ( $connection && $connection['disabled'] ) {
			$rows[ __( 'Switched off', 'cartwheel' ) ] = sprintf(
				/* translators: %s: names of webhooks. */
				__( 'WooCommerce switched these webhooks off: %s. Cartwheel makes them again by itself.', 'cartwheel' ),
				implode( ', ', $connection['disabled'] )
			);
		}
		echo '<h2>' . esc_html__( 'State', 'cartwheel' ) . '</h2><table class="widefat striped" style="max-width:60em"><tbody>';
		foreach ( array_filter( $rows, 'strlen' ) as $name => $value ) {
			printf( '<tr><th scope="row" style="width:12em">%s</th><td>%s</td></tr>', esc_html( $name ), esc_html( $value ) );
		}
		echo '</tbody></table>';
		$url = Cartwheel_Connection::connect_url();
		if ( ! $connection && '' !== $url ) {
			printf( '<p><a class="button button-primary" href="%s">%s</a></p>', esc_url( $url ), esc_html__( 'Connect this shop', 'cartwheel' ) );
		}
	}

	/**
	 * Says whether Cartwheel listens to carts.
	 *
	 * @param string[] $missing Topics that no active webhook has.
	 * @return string
	 */
	private static function topics( array $missing ) {
		if ( ! $missing ) {
			return __( 'Told to Cartwheel', 'cartwheel' );
		}
		/* translators: %s: names of topics. */
		return sprintf( __( 'Not all are told yet; missing: %s', 'cartwheel' ), implode( ', ', $missing ) );
	}

	/**
	 * Says how many carts are kept.
	 *
	 * @param array $kept What Cartwheel_Checkouts::summary() returned.
	 * @return string
	 */
	private static function kept( array $kept ) {
		if ( ! $kept['count'] ) {
			return __( 'No cart yet', 'cartwheel' );
		}
		/* translators: 1: a number of carts, 2: a time. */
		$words = _n( '%1$s cart, last changed %2$s (UTC)', '%1$s carts, last changed %2$s (UTC)', $kept['count'], 'cartwheel' );
		return sprintf( $words, number_format_i18n( $kept['count'] ), $kept['last'] );
	}

	/**
	 * Draws the fields.
	 *
	 * @param array $settings As they are.
	 */
	private static function show_fields( array $settings ) {
		$choices = array(
			'typed'   => __( 'As soon as an e-mail address is typed, and of customers who are signed in', 'cartwheel' ),
			'agreed'  => __( 'Only after the box below was ticked', 'cartwheel' ),
			'account' => __( 'Only of customers who are signed in', 'cartwheel' ),
		);
		self::begin( 'capture', __( 'Keep a cart', 'cartwheel' ) );
		printf( '<select id="cartwheel-capture" name="%s">', esc_attr( self::name( 'capture' ) ) );
		foreach ( $choices as $value => $words ) {
			printf( '<option value="%s"%s>%s</option>', esc_attr( $value ), selected( $settings['capture'], $value, false ), esc_html( $words ) );
		}
		echo '</select></td></tr>';
		self::show_box( 'ask_consent', __( 'Ask for consent', 'cartwheel' ), __( 'Show a box in the checkout that agrees to mail', 'cartwheel' ), $settings );
		self::show_text( 'consent_text', __( 'Words beside the box', 'cartwheel' ), $settings, Cartwheel_Settings::consent_text() );
		self::show_box( 'show_notice', __( 'Say so', 'cartwheel' ), __( 'Say at the checkout that the cart is kept', 'cartwheel' ), $settings );
		self::show_text( 'notice_text', __( 'Words of the notice', 'cartwheel' ), $settings, Cartwheel_Settings::notice_text() );
		self::begin( 'keep_days', __( 'Forget after', 'cartwheel' ) );
		printf(
			'<input id="cartwheel-keep_days" type="number" min="1" max="%d" class="small-text" name="%s" value="%d"> %s</td></tr>',
			(int) Cartwheel_Settings::MOST_DAYS,
			esc_attr( self::name( 'keep_days' ) ),
			(int) $settings['keep_days'],
			esc_html__( 'days', 'cartwheel' )
		);
	}

	/**
	 * Draws a box. The hidden field before it says "no": an empty box sends nothing.
	 *
	 * @param string $name     The setting.
	 * @param string $title    Beside the row.
	 * @param string $words    Beside the box.
	 * @param array  $settings As they are.
	 */
	private static function show_box( $name, $title, $words, array $settings ) {
		self::begin( $name, $title );
		printf(
			'<input type="hidden" name="%1$s" value="0"><label><input id="cartwheel-%2$s" type="checkbox" name="%1$s" value="1"%3$s> %4$s</label></td></tr>',
			esc_attr( self::name( $name ) ),
			esc_attr( $name ),
			checked( $settings[ $name ], true, false ),
			esc_html( $words )
		);
	}

	/**
	 * Draws a text; left empty, our own words stand.
	 *
	 * @param string $name     The setting.
	 * @param string $title    Beside the row.
	 * @param array  $settings As they are.
	 * @param string $shown    What shoppers read now.
	 */
	private static function show_text( $name, $title, array $settings, $shown ) {
		self::begin( $name, $title );
		printf(
			'<input id="cartwheel-%s" type="text" class="large-text" maxlength="%d" name="%s" value="%s" placeholder="%s"></td></tr>',
			esc_attr( $name ),
			(int) Cartwheel_Settings::LONGEST_TEXT,
			esc_attr( self::name( $name ) ),
			esc_attr( $settings[ $name ] ),
			esc_attr( $shown )
		);
	}

	/**
	 * Begins a row.
	 *
	 * @param string $name  The setting.
	 * @param string $title Beside the row.
	 */
	private static function begin( $name, $title ) {
		printf( '<tr><th scope="row"><label for="cartwheel-%s">%s</label></th><td>', esc_attr( $name ), esc_html( $title ) );
	}

	/**
	 * Returns a field's name in the form.
	 *
	 * @param string $setting The setting.
	 * @return string
	 */
	private static function name( $setting ) {
		return Cartwheel_Settings::OPTION . '[' . $setting . ']';
	}
}
